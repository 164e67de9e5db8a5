package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// DirtyError says that a checkout, or a submodule in it, has changes that no
// commit of it has.
type DirtyError struct {
	Dir       string
	Changed   []string
	Submodule bool
}

func (e *DirtyError) Error() string {
	if e.Submodule {
		return fmt.Sprintf("the submodule %s has uncommitted changes, but submodules are used as committed", e.Dir)
	}
	const shown = 5
	names := strings.Join(e.Changed[:min(shown, len(e.Changed))], ", ")
	if more := len(e.Changed) - shown; more > 0 {
		names = fmt.Sprintf("%s and %d more", names, more)
	}
	return fmt.Sprintf("%s has uncommitted changes: %s", e.Dir, names)
}

// CheckClean returns a *DirtyError where src names, other than by a SHA, the
// commit c that is checked out in a work tree on this host, and files that it
// tracks differ from it: whoever names a branch means what they see. Untracked
// are the files there that are in no commit and not ignored. It writes nothing.
func (m *Mirrors) CheckClean(ctx context.Context, src Source, c Commit) (untracked []string, err error) {
	if !isLocal(src.URL) || isSHA(src.Ref) {
		return nil, nil
	}
	t, err := m.worktree(src.URL)
	if err != nil {
		return nil, err
	}
	if err := m.bounded(ctx, src.URL, c); err != nil {
		return nil, err
	}
	found, err := t.changes(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("finding what is not committed in %s: %w", t.dir, err)
	case found.head != c.Hash:
		return nil, nil
	case len(found.tracked) > 0:
		return nil, &DirtyError{Dir: t.dir, Changed: found.tracked}
	}
	return found.untracked, nil
}

// Snapshot is what a work tree held at one moment. Where nothing was changed
// Commit is Head; else it is a commit that only the mirrors have, on Head, of
// Head's time. The same content on the same commit gives the same SHA.
type Snapshot struct{ Commit, Head Commit }

// Dirty reports whether the snapshot holds what no commit of the checkout has.
func (s Snapshot) Dirty() bool { return s.Commit.Hash != s.Head.Hash }

// Snapshot brings what the work tree that a path names holds into the mirror of
// the URL: what is tracked as it is now, and what is untracked and not
// ignored. All goes through the user's own git, so attributes, filters and
// ignore files count as in a commit; the checkout and its index stay as they
// are. A work tree in the middle of a merge is refused.
func (m *Mirrors) Snapshot(ctx context.Context, url string, w io.Writer) (s Snapshot, err error) {
	t, err := m.worktree(url)
	if err == nil {
		s, err = m.snapshot(ctx, url, t, w)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading what is checked out in %s: %w", t.dir, err)
	}
	return s, nil
}

func (m *Mirrors) snapshot(ctx context.Context, url string, t worktree, w io.Writer) (s Snapshot, err error) {
	// The names of commits that only this host has are given in full.
	s.Head, err = m.Resolve(ctx, Source{URL: url, Ref: "HEAD"})
	if err != nil {
		return s, err
	}
	if err := m.bounded(ctx, url, s.Head); err != nil {
		return s, err
	}
	// One at a time, at a place that is known, so that what a killed run left
	// is found and removed.
	temp := filepath.Join(m.Dir, mirrorKey(url)+".snapshot")
	unlock, err := lockFile(ctx, temp+".lock")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp), unlock()) }()
	if err := os.RemoveAll(temp); err != nil {
		return s, err
	}
	hash, err := t.commit(ctx, temp, s.Head)
	if err != nil {
		return s, err
	}
	from := *m
	from.Rewrites = []Rewrite{{Prefix: url, Base: fileURL(temp)}}
	if hash == s.Head.Hash {
		s.Commit = s.Head
		return s, from.Fetch(ctx, url, s.Head, "", w)
	}
	if err := from.Fetch(ctx, url, Commit{Hash: hash}, "", w); err != nil {
		return s, err
	}
	c, err := m.local(url, plumbing.NewHash(hash))
	s.Commit = commitValue(c)
	return s, err
}

// bounded refuses, as a *LimitError, a commit whose tree git would spread out in
// memory when it compares it with a work tree.
func (m *Mirrors) bounded(ctx context.Context, url string, c Commit) (err error) {
	if err := m.Fetch(ctx, url, c, "", io.Discard); err != nil {
		return err
	}
	repo, err := m.mirror(url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.close()) }()
	object, err := repo.commit(plumbing.NewHash(c.Hash))
	if err != nil {
		return err
	}
	trees := measuring{
		planned: &planned{repo: repo, url: url}, limits: DefaultLimits(), stage: newStage(""), known: make(map[plumbing.Hash]*measured),
	}
	_, err = trees.measure(ctx, object.TreeHash, "", 0)
	return err
}

// worktree is a checkout on this host, read by the user's git.
type worktree struct {
	dir string
	run func(ctx context.Context, c Call) error
}

func (m *Mirrors) worktree(url string) (worktree, error) {
	a, err := m.address(url)
	switch {
	case err != nil:
		return worktree{}, err
	case a.scheme != "file" || m.Git == nil:
		return worktree{}, fmt.Errorf("%s is not a checkout on this host", redact(url))
	}
	return worktree{a.path, m.Git}, nil
}

// git runs one command in the work tree and returns what it prints. No hook
// and no helper that the checkout's own configuration names runs in it.
func (t worktree) git(ctx context.Context, env []string, args ...string) (string, error) {
	var out bytes.Buffer
	args = append([]string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "i18n.commitEncoding=UTF-8"}, args...)
	err := t.run(ctx, Call{Args: args, Dir: t.dir, Env: append([]string{"GIT_OPTIONAL_LOCKS=0"}, env...), Stdout: &out})
	return strings.TrimRight(out.String(), "\n"), err
}

// changes are the paths in which a work tree differs from the commit that is
// checked out in it; of a directory that is not tracked, its name with a slash.
type changes struct {
	head               string // "" in a bare repository
	tracked, untracked []string
}

func (t worktree) changes(ctx context.Context) (changes, error) {
	bare, err := t.git(ctx, nil, "rev-parse", "--is-bare-repository")
	if err != nil || bare == "true" {
		return changes{}, err
	}
	var c changes
	if c.head, err = t.git(ctx, nil, "rev-parse", "--verify", "HEAD^{commit}"); err != nil {
		return c, err
	}
	all, err := t.status(ctx, nil, "--untracked-files=normal", "--ignore-submodules=untracked")
	for _, e := range all {
		if e.code == "??" {
			c.untracked = append(c.untracked, e.path)
		} else {
			c.tracked = append(c.tracked, e.path)
		}
	}
	return c, err
}

// statusEntry is a path and git's two letters for it: what the index changes,
// and what the work tree does.
type statusEntry struct{ code, path string }

func (t worktree) status(ctx context.Context, env []string, args ...string) ([]statusEntry, error) {
	out, err := t.git(ctx, env, append([]string{"status", "--porcelain", "-z", "--no-renames"}, args...)...)
	var all []statusEntry
	for entry := range strings.SplitSeq(out, "\x00") {
		if len(entry) > 3 {
			all = append(all, statusEntry{entry[:2], entry[3:]})
		}
	}
	return all, err
}

// commit makes temp a repository that borrows the checkout's objects and has
// one commit of what the work tree holds, and returns its SHA: head's own where
// that is all.
func (t worktree) commit(ctx context.Context, temp string, head Commit) (string, error) {
	if unmerged, err := t.git(ctx, nil, "ls-files", "--unmerged"); err != nil || unmerged != "" {
		return "", errors.Join(err, errors.New("a merge is in progress there"))
	}
	if err := t.borrow(ctx, temp); err != nil {
		return "", err
	}
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(temp, "index"), "GIT_OBJECT_DIRECTORY=" + filepath.Join(temp, "objects")}
	if _, err := t.git(ctx, env, "add", "--all"); err != nil {
		return "", err
	}
	// What is changed even now stands in a submodule, whose commit alone counts.
	rest, err := t.status(ctx, env, "--untracked-files=no", "--ignore-submodules=untracked")
	if err != nil {
		return "", err
	}
	for _, e := range rest {
		if e.code[1] != ' ' {
			return "", &DirtyError{Dir: filepath.Join(t.dir, e.path), Changed: []string{e.path}, Submodule: true}
		}
	}
	tree, err := t.git(ctx, env, "write-tree")
	if err != nil {
		return "", err
	}
	hash := head.Hash
	if tree != head.Tree {
		for _, who := range []string{"AUTHOR", "COMMITTER"} {
			env = append(env, "GIT_"+who+"_NAME=sparkwheel", "GIT_"+who+"_EMAIL=sparkwheel",
				"GIT_"+who+"_DATE="+head.Time.UTC().Format(time.RFC3339))
		}
		if hash, err = t.git(ctx, env, "commit-tree", tree, "-p", head.Hash, "-m", "Uncommitted changes"); err != nil {
			return "", err
		}
	}
	return hash, writeFile(filepath.Join(temp, "refs", "heads", "snapshot"), []byte(hash+"\n"))
}

// borrow lays out temp: objects of the checkout's by reference, and a copy of
// its index, by which git need not read what did not change.
func (t worktree) borrow(ctx context.Context, temp string) error {
	if _, err := openRepository(temp); err != nil {
		return err
	}
	paths := make([]string, 2)
	for i, name := range []string{"objects", "index"} {
		path, err := t.git(ctx, nil, "rev-parse", "--git-path", name)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(t.dir, path)
		}
		paths[i] = path
	}
	if err := writeFile(filepath.Join(temp, "objects", "info", "alternates"), []byte(paths[0]+"\n")); err != nil {
		return err
	}
	index, err := os.ReadFile(paths[1])
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(temp, "index"), index)
}
