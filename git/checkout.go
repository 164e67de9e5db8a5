package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// CheckoutOptions say what of a commit is written.
type CheckoutOptions struct {
	// Submodules are the paths, from the root of the tree, of the submodules to
	// write; nil is none and "*" all. The submodules of a submodule that is
	// named go with it. A path that is a plain directory in the tree is taken
	// as it is. A submodule that is not asked for is an empty directory.
	Submodules []string
	// Replace says, by the path of a submodule that is written, where it is taken
	// from instead. A path that is none of these is an error.
	Replace map[string]Replacement
	// GitDir adds a .git in which `git rev-parse HEAD` answers with the SHA,
	// and nothing more.
	GitDir bool
	// Ref is where to look for the commit when the server does not give commits
	// by SHA; it may be empty.
	Ref string
	// Jobs bounds the files written and the submodules fetched at once; 0 is
	// one for each CPU.
	Jobs int
	// Verify reads back all that was written and compares its tree hash.
	Verify bool
	// Limits bound what is written: see LimitError.
	Limits Limits
}

// Replacement is what a submodule is taken from instead of what .gitmodules and
// the gitlink say. Without a Commit the gitlink's is looked for at URL; Ref is as
// in CheckoutOptions.
type Replacement struct{ URL, Ref, Commit string }

// Submodule is a submodule that was written: its path from the root of the
// tree, the URL in full and the commit.
type Submodule struct{ Path, URL, Commit string }

// Tree is what was written: the hash of the commit's tree, regular files and
// symlinks and their bytes, submodules included and sorted by path, the bytes
// that came over the network for it, and the paths of files that are pointers
// of Git LFS: what they point to is not fetched.
type Tree struct {
	Hash            string
	Files           int
	Bytes, Received int64
	Submodules      []Submodule
	Pointers        []string
}

// Checkout writes the tree of a commit to dir, which must be missing or empty,
// fetching what the mirrors lack. It writes beside dir and renames, so dir is
// whole or as it was. Files are as stored: modes 0644 and 0755, symlinks, no
// filter, no line ending changed, export-ignore not heeded. Every mtime is the
// commit's time, in submodules too, so that nothing is newer than the commit.
//
// A tree that could write outside dir, or pass for a repository's own files, or
// that is larger than opt.Limits (a *LimitError), is refused before anything of
// it is written.
func (m *Mirrors) Checkout(ctx context.Context, url string, c Commit, dir string, opt CheckoutOptions, w io.Writer) (Tree, error) {
	var t Tree
	err := checkTarget(dir)
	if err == nil {
		err = m.heal(ctx, w, func() (err error) {
			t, err = m.checkout(ctx, url, c, dir, opt, w)
			return err
		})
	}
	if err != nil {
		return Tree{}, fmt.Errorf("writing the tree of %s: %w", c.Hash, err)
	}
	return t, nil
}

func (m *Mirrors) checkout(ctx context.Context, url string, c Commit, dir string, opt CheckoutOptions, w io.Writer) (t Tree, err error) {
	if opt.Jobs < 1 {
		opt.Jobs = runtime.NumCPU()
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".tmp-*")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	p := newPlanner(m, opt, newStage(temp), w)
	defer func() { err = errors.Join(err, p.close()) }()
	root, err := p.plan(ctx, site{url: url, commit: c, ref: opt.Ref})
	if err != nil {
		return t, err
	}
	if err := errors.Join(p.checkUsed(root), p.checkReplaced(root)); err != nil {
		return t, err
	}
	tree := filepath.Join(temp, "tree")
	if err := root.write(ctx, tree, opt, p.stage); err != nil {
		return t, err
	}
	if opt.Verify {
		if err := root.verify(ctx, tree); err != nil {
			return t, err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return t, err
	}
	if err := os.Rename(tree, dir); err != nil {
		return t, err
	}
	return root.summary(p.received.Load()), nil
}

// checkTarget refuses a directory that holds something, before any request.
func checkTarget(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s exists and is not empty; remove it or choose another directory", dir)
	}
	return os.MkdirAll(filepath.Dir(dir), 0o777)
}

func (p *planned) summary(received int64) Tree {
	t := Tree{Hash: p.commit.Tree, Received: received}
	p.add(&t)
	slices.Sort(t.Pointers)
	slices.SortFunc(t.Submodules, func(a, b Submodule) int { return strings.Compare(a.Path, b.Path) })
	return t
}

func (p *planned) add(t *Tree) {
	t.Files += len(p.files)
	for _, f := range p.files {
		t.Bytes += f.size
		if f.pointer {
			t.Pointers = append(t.Pointers, path.Join(p.path, f.path))
		}
	}
	for _, s := range p.subs {
		t.Submodules = append(t.Submodules, Submodule{Path: s.path, URL: redact(s.url), Commit: s.commit.Hash})
		s.add(t)
	}
}

// write fills dir: directories first and symlinks last, so that no file can
// land behind a link, and times at the very end.
func (p *planned) write(ctx context.Context, dir string, opt CheckoutOptions, from *stage) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	all := append([]*planned{p}, p.below()...)
	for _, s := range all {
		for _, d := range s.dirs {
			if err := os.MkdirAll(filepath.Join(dir, s.path, d), 0o755); err != nil {
				return err
			}
		}
	}
	if err := p.writeFiles(ctx, dir, all, opt.Jobs, from); err != nil {
		return err
	}
	for _, s := range all {
		for i := range s.files {
			if f := &s.files[i]; f.mode == modeSymlink {
				if err := s.writeLink(filepath.Join(dir, s.path, f.path), f, p.commit); err != nil {
					return err
				}
			}
		}
	}
	if opt.GitDir {
		if err := writeGitDir(dir, p.commit); err != nil {
			return err
		}
	}
	return p.settle(dir, all)
}

// writeFiles writes all files but symlinks, so many at once. Few goroutines
// that last, rather than one for each file, as each grows its stack anew.
func (p *planned) writeFiles(ctx context.Context, dir string, all []*planned, jobs int, from *stage) error {
	type job struct {
		of *planned
		f  *plannedFile
	}
	var todo []job
	for _, s := range all {
		for i := range s.files {
			if f := &s.files[i]; f.mode != modeSymlink {
				todo = append(todo, job{s, f})
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range jobs {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return nil
				}
				s, f := todo[i].of, todo[i].f
				if err := s.writeFile(ctx, filepath.Join(dir, s.path, f.path), f, p.commit, from); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// settle gives every directory its mode, whatever the umask, and its time.
func (p *planned) settle(dir string, all []*planned) error {
	set := func(name string) error {
		if err := os.Chmod(name, 0o755); err != nil {
			return err
		}
		return os.Chtimes(name, p.commit.Time, p.commit.Time)
	}
	for _, s := range slices.Backward(all) {
		for _, d := range slices.Backward(s.dirs) {
			if err := set(filepath.Join(dir, s.path, d)); err != nil {
				return err
			}
		}
	}
	return set(dir)
}

// below lists all submodules at any depth.
func (p *planned) below() []*planned {
	var all []*planned
	for _, s := range p.subs {
		all = append(append(all, s), s.below()...)
	}
	return all
}
