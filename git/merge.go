package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	gitmemory "github.com/go-git/go-git/v5/storage/memory"

	"github.com/sparkwheel/sparkwheel/git/pack"
)

// Pull is a pull request, pinned: its head, and the commit that this and the
// commit into which it is merged come from.
type Pull struct {
	Number     int
	Head, Base string // full SHAs
}

func (p Pull) String() string { return fmt.Sprintf("pull request %d (%.12s)", p.Number, p.Head) }

// Ref is where its server has the head.
func (p Pull) Ref() string { return fmt.Sprintf("refs/pull/%d/head", p.Number) }

// Merge brings the pull request into the commit of url and returns a commit
// that only the mirror has: of c's time, on c, with the tree that `git
// merge-tree --write-tree -X no-renames --merge-base BASE C HEAD` comes to. The
// same commits give the same SHA. It returns c itself where the tree has all of
// the pull request already. What does not merge is a *MergeError with every
// file; that is all that git would not merge, and what it would merge in a way
// that depends on how it reads a change.
//
// It fetches what the mirror lacks of all three commits.
func (m *Mirrors) Merge(ctx context.Context, url string, c Commit, p Pull, w io.Writer) (Commit, error) {
	var merged Commit
	err := m.heal(ctx, w, func() (err error) {
		merged, err = m.merge(ctx, url, c, p, w)
		return err
	})
	if err != nil {
		return Commit{}, fmt.Errorf("merging %s: %w", p, err)
	}
	return merged, nil
}

func (m *Mirrors) merge(ctx context.Context, url string, c Commit, p Pull, w io.Writer) (_ Commit, err error) {
	for _, one := range []struct{ hash, ref string }{{c.Hash, ""}, {p.Base, ""}, {p.Head, p.Ref()}} {
		if _, err := m.fetch(ctx, Source{URL: url, Ref: one.ref}, Commit{Hash: one.hash}, w, nil); err != nil {
			return Commit{}, err
		}
	}
	repo, err := m.mirror(url)
	if err != nil {
		return Commit{}, err
	}
	defer func() { err = errors.Join(err, repo.close()) }()
	var trees [3]plumbing.Hash
	for i, h := range []string{p.Base, c.Hash, p.Head} {
		object, err := repo.commit(plumbing.NewHash(h))
		if err != nil {
			return Commit{}, err
		}
		trees[i] = object.TreeHash
	}
	g := &merger{repo: repo, made: map[plumbing.Hash]*plumbing.MemoryObject{}}
	tree, err := g.tree(ctx, "", trees[0], trees[1], trees[2])
	switch {
	case err != nil:
		return Commit{}, err
	case len(g.conflicts) > 0:
		slices.SortFunc(g.conflicts, func(a, b MergeConflict) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
		return Commit{}, &MergeError{p.String(), c.Hash, g.conflicts}
	case tree == trees[1]:
		return Commit{Hash: c.Hash, Time: c.Time, Tree: tree.String()}, nil
	case tree.IsZero():
		return Commit{}, errors.New("the merge leaves no file")
	}
	who := fmt.Sprintf("sparkwheel <sparkwheel> %d +0000", c.Time.Unix())
	h := g.add(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nparent %s\nparent %s\nauthor %s\ncommitter %s\n\nMerge %s\n", tree, c.Hash, p.Head, who, who, p.Ref()))
	return Commit{Hash: h.String(), Time: c.Time, Tree: tree.String()}, repo.keep(ctx, h, g.made)
}

// keep stores objects that were made here, of which h is a whole commit.
func (r *repository) keep(ctx context.Context, h plumbing.Hash, made map[plumbing.Hash]*plumbing.MemoryObject) error {
	unlock, err := lockFile(ctx, r.dir+".lock")
	if err != nil {
		return err
	}
	return errors.Join(r.keepLocked(ctx, h, made), unlock())
}

func (r *repository) keepLocked(ctx context.Context, h plumbing.Hash, made map[plumbing.Hash]*plumbing.MemoryObject) error {
	if there, err := r.whole(h); there || err != nil {
		return err
	}
	objects := gitmemory.NewStorage()
	hashes := make([]plumbing.Hash, 0, len(made))
	for hash, o := range made {
		if _, err := objects.SetEncodedObject(o); err != nil {
			return err
		}
		hashes = append(hashes, hash)
	}
	var text bytes.Buffer
	if _, err := packfile.NewEncoder(&text, objects, false).Encode(hashes, 0); err != nil {
		return err
	}
	if err := r.addPack(ctx, &text, pack.Options{Base: r.read}); err != nil {
		return err
	}
	if err := r.checkWhole(ctx, h); err != nil {
		return err
	}
	return r.markWhole(h)
}
