package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// repository is a bare repository that git itself can read. Every commit that
// is there whole (in a history: with all its ancestors) has a packed ref under
// refs/whole, written last, so a process that dies leaves only an unused pack.
type repository struct {
	dir   string
	store *filesystem.Storage
}

const repositoryConfig = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"

// openRepository makes what is missing of the repository's skeleton.
func openRepository(dir string) (*repository, error) {
	for _, sub := range []string{"objects/pack", "objects/info", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{"config": repositoryConfig, "HEAD": "ref: refs/heads/none\n"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if err := writeFile(path, []byte(text)); err != nil {
				return nil, err
			}
		}
	}
	st := filesystem.NewStorage(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRU(16*cache.MiByte))
	return &repository{dir: dir, store: st}, nil
}

// writeFile replaces path in one step.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

const wholePrefix = " refs/whole/"

// wholes lists the commits (and tags) that are there with all that belongs to
// them: in a mirror their trees, in a history their ancestors.
func (r *repository) wholes() (map[plumbing.Hash]bool, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	set := make(map[plumbing.Hash]bool)
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, wholePrefix); ok && isSHA(name) {
			set[plumbing.NewHash(name)] = true
		}
	}
	return set, nil
}

// whole reports whether h is one of wholes, and still there.
func (r *repository) whole(h plumbing.Hash) (bool, error) {
	set, err := r.wholes()
	return err == nil && set[h] && r.store.HasEncodedObject(h) == nil, err
}

// markWhole adds to wholes. The caller holds the repository's lock.
func (r *repository) markWhole(hashes ...plumbing.Hash) error {
	set, err := r.wholes()
	if err != nil {
		return err
	}
	for _, h := range hashes {
		set[h] = true
	}
	return r.setWholes(set)
}

func (r *repository) setWholes(set map[plumbing.Hash]bool) error {
	lines := make([]string, 0, len(set))
	for h := range set {
		lines = append(lines, h.String()+wholePrefix+h.String()+"\n")
	}
	slices.Sort(lines)
	return writeFile(filepath.Join(r.dir, "packed-refs"),
		[]byte("# pack-refs with: sorted \n"+strings.Join(lines, "")))
}

// addShallow records that the parents of the commits were left out.
func (r *repository) addShallow(hashes ...plumbing.Hash) error {
	path := filepath.Join(r.dir, "shallow")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text := string(old)
	for _, h := range hashes {
		if line := h.String() + "\n"; !strings.Contains(text, line) {
			text += line
		}
	}
	return writeFile(path, []byte(text))
}

func (r *repository) shallows() ([]plumbing.Hash, error) {
	old, err := os.ReadFile(filepath.Join(r.dir, "shallow"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var hashes []plumbing.Hash
	for _, line := range strings.Fields(string(old)) {
		if isSHA(line) {
			hashes = append(hashes, plumbing.NewHash(line))
		}
	}
	return hashes, nil
}

// addPack stores a pack and its index; a bad pack leaves nothing.
func (r *repository) addPack(ctx context.Context, pack io.Reader) error {
	w, err := r.store.PackfileWriter()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, pack)
	err = errors.Join(err, w.Close(), ctx.Err())
	r.store.Reindex()
	return err
}

// object returns the content of an object of the wanted type.
func (r *repository) object(want plumbing.ObjectType, h plumbing.Hash) ([]byte, error) {
	o, err := r.store.EncodedObject(want, h)
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", want, h, err)
	}
	rc, err := o.Reader()
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", want, h, err)
	}
	data, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", want, h, err)
	}
	return data, nil
}

// commit reads a commit; a tag is followed to the commit it names.
func (r *repository) commit(h plumbing.Hash) (*object.Commit, error) {
	o, err := r.store.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", h, err)
	}
	if o.Type() == plumbing.TagObject {
		tag, err := object.DecodeTag(r.store, o)
		if err != nil {
			return nil, fmt.Errorf("reading tag %s: %w", h, err)
		}
		return r.commit(tag.Target)
	}
	c, err := object.DecodeCommit(r.store, o)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", h, err)
	}
	return c, nil
}

func (r *repository) tree(h plumbing.Hash) ([]treeEntry, error) {
	raw, err := r.object(plumbing.TreeObject, h)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(raw)
	if err != nil {
		return nil, fmt.Errorf("refusing tree %s: %w", h, err)
	}
	return entries, nil
}

func (r *repository) has(h plumbing.Hash) bool { return r.store.HasEncodedObject(h) == nil }

// reload forgets what other processes may have changed.
func (r *repository) reload() { r.store.Reindex() }

// commitsWithPrefix lists the commits whose SHA begins with the hex digits.
func (r *repository) commitsWithPrefix(prefix string) ([]plumbing.Hash, error) {
	half, err := hex.DecodeString(prefix[:len(prefix)&^1])
	if err != nil {
		return nil, err
	}
	hashes, err := r.store.HashesWithPrefix(half)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(hashes, func(h plumbing.Hash) bool {
		if !strings.HasPrefix(h.String(), prefix) {
			return true
		}
		_, err := r.store.EncodedObject(plumbing.CommitObject, h)
		return err != nil
	}), nil
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
			switch {
			case e.Mode == modeDir:
				trees = append(trees, e.Hash)
			case e.Mode != modeSubmodule && !r.has(e.Hash):
				return fmt.Errorf("the pack lacks %s, which the commit %s needs", e.Hash, h)
			}
		}
	}
	return nil
}
