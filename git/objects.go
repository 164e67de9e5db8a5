package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// brokenError says that a repository lacks or has damaged what it should hold.
// Fetching anew helps: see Mirrors.heal.
type brokenError struct {
	repo *repository
	err  error
}

func (e *brokenError) Error() string { return fmt.Sprintf("the mirror %s: %v", e.repo.dir, e.err) }
func (e *brokenError) Unwrap() error { return e.err }

// refusedTree says that a tree holds what no checkout may write.
type refusedTree struct {
	tree plumbing.Hash
	err  error
}

func (e *refusedTree) Error() string { return fmt.Sprintf("refusing the tree %s: %v", e.tree, e.err) }
func (e *refusedTree) Unwrap() error { return e.err }

func (r *repository) packDir() string { return filepath.Join(r.dir, "objects", "pack") }

// open returns the packs as they were at the first call since close.
func (r *repository) open() (*pack.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.packs != nil {
		return r.packs, nil
	}
	s, err := pack.Open(r.packDir())
	if err != nil {
		if errors.As(err, new(*pack.DamagedError)) {
			err = &brokenError{r, err}
		}
		return nil, err
	}
	r.packs = s
	return s, nil
}

// close lets the packs go; what is read next opens them as they are then.
func (r *repository) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.packs == nil {
		return nil
	}
	err := r.packs.Close()
	r.packs = nil
	return err
}

// addPack stores a pack and its index; a bad pack leaves nothing.
func (r *repository) addPack(ctx context.Context, in io.Reader, opt pack.Options) error {
	err := pack.Index(ctx, in, r.packDir(), opt)
	return errors.Join(err, r.close())
}

// reset empties the repository, so that all is fetched anew. A process that
// has its packs open reads on.
func (r *repository) reset(ctx context.Context) error {
	unlock, err := lockFile(ctx, r.dir+".lock")
	if err != nil {
		return err
	}
	errs := []error{r.close()}
	// The list of what is whole goes first: a pack without it is only unused.
	for _, name := range []string{"packed-refs", "shallow"} {
		if err := os.Remove(filepath.Join(r.dir, name)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, os.RemoveAll(r.packDir()), os.MkdirAll(r.packDir(), 0o777), unlock())...)
}

func (r *repository) has(h plumbing.Hash) (bool, error) {
	s, err := r.open()
	if err != nil {
		return false, err
	}
	return s.Has(h), nil
}

// read returns an object whose content was compared with its name.
func (r *repository) read(h plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	s, err := r.open()
	if err != nil {
		return 0, nil, err
	}
	kind, content, err := s.Read(h)
	return kind, content, r.broken(h, err)
}

func (r *repository) broken(h plumbing.Hash, err error) error {
	if errors.Is(err, pack.ErrNotFound) || errors.As(err, new(*pack.DamagedError)) {
		return &brokenError{r, fmt.Errorf("reading %s: %w", h, err)}
	}
	return err
}

// object returns the content of an object of the wanted type.
func (r *repository) object(want plumbing.ObjectType, h plumbing.Hash) ([]byte, error) {
	kind, content, err := r.read(h)
	if err == nil && kind != want {
		err = fmt.Errorf("the object %s is a %s, not a %s", h, kind, want)
	}
	return content, err
}

// copyBlob writes a blob's content to w.
func (r *repository) copyBlob(w io.Writer, h plumbing.Hash) (int64, error) {
	s, err := r.open()
	if err != nil {
		return 0, err
	}
	n, err := s.WriteBlob(w, h)
	return n, r.broken(h, err)
}

// size is the size of a blob as its pack states it.
func (r *repository) size(h plumbing.Hash) (int64, error) {
	s, err := r.open()
	if err != nil {
		return 0, err
	}
	n, err := s.Size(h)
	return n, r.broken(h, err)
}

// maxTagDepth ends chains of tags on tags.
const maxTagDepth = 10

// commit reads a commit; a tag is followed to the commit it names.
func (r *repository) commit(h plumbing.Hash) (*object.Commit, error) {
	for range maxTagDepth {
		kind, content, err := r.read(h)
		if err != nil {
			return nil, err
		}
		switch kind {
		case plumbing.CommitObject:
			c := new(object.Commit)
			if err := c.Decode(memory(kind, content)); err != nil {
				return nil, fmt.Errorf("reading commit %s: %w", h, err)
			}
			return c, nil
		case plumbing.TagObject:
			tag, err := parseTag(h, content)
			if err != nil {
				return nil, err
			}
			h = tag.Target
		default:
			return nil, fmt.Errorf("%s is a %s, not a commit", h, kind)
		}
	}
	return nil, fmt.Errorf("%s is in a chain of more than %d tags", h, maxTagDepth)
}

func parseTag(h plumbing.Hash, content []byte) (*object.Tag, error) {
	tag := new(object.Tag)
	if err := tag.Decode(memory(plumbing.TagObject, content)); err != nil {
		return nil, fmt.Errorf("reading tag %s: %w", h, err)
	}
	return tag, nil
}

func memory(kind plumbing.ObjectType, content []byte) *plumbing.MemoryObject {
	o := new(plumbing.MemoryObject)
	o.SetType(kind)
	o.SetSize(int64(len(content)))
	_, _ = o.Write(content) // appends to a slice
	return o
}

func (r *repository) tree(h plumbing.Hash) ([]treeEntry, error) {
	raw, err := r.object(plumbing.TreeObject, h)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(raw)
	if err != nil {
		return nil, &refusedTree{h, err}
	}
	return entries, nil
}

// commitsWithPrefix lists the commits whose SHA begins with the hex digits.
func (r *repository) commitsWithPrefix(prefix string) ([]plumbing.Hash, error) {
	s, err := r.open()
	if err != nil {
		return nil, err
	}
	hashes, err := s.Prefix(strings.ToLower(prefix))
	if err != nil {
		return nil, err
	}
	var commits []plumbing.Hash
	for _, h := range hashes {
		kind, _, err := r.read(h)
		if err != nil {
			return nil, err
		}
		if kind == plumbing.CommitObject {
			commits = append(commits, h)
		}
	}
	return slices.Clip(commits), nil
}

// checkWhole reads the commit and all its trees and looks for every blob.
func (r *repository) checkWhole(ctx context.Context, h plumbing.Hash) error {
	c, err := r.commit(h)
	if err != nil {
		return err
	}
	seen := make(map[plumbing.Hash]bool)
	trees := []plumbing.Hash{c.TreeHash}
	for len(trees) > 0 {
		t := trees[len(trees)-1]
		trees = trees[:len(trees)-1]
		if seen[t] {
			continue
		}
		seen[t] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := r.tree(t)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Mode == modeDir {
				trees = append(trees, e.Hash)
				continue
			}
			there, err := r.has(e.Hash)
			if err != nil {
				return err
			}
			if !there && e.Mode != modeSubmodule {
				return fmt.Errorf("the server left out %s, which the commit %s needs", e.Hash, h)
			}
		}
	}
	return nil
}
