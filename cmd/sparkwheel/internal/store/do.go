package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// The kinds of entries that Do keeps. All files are recorded with their
// digests. Those of stages and tools are checked at each hit; those of an
// unpacked base, a hundred thousand that nothing writes to, by Verify alone.
const (
	Stage  = "stage"
	Rootfs = "rootfs"
	Tools  = "tools"
)

// Do gives the directory of the entry, and hit when it was there already. Else
// fill makes it in an empty directory that becomes the entry when fill returns
// nil, and vanishes when it does not or the process dies. Of several runs that
// want one entry, one fills and the others wait until it is done or ctx ends.
// An entry that is damaged is a miss and is told through Noting.
//
// The directory must not be changed. A store that cannot be written is a
// *ReadOnlyError, a full disk a *FullError.
func (s Store) Do(ctx context.Context, kind string, key Key, fill func(dir string) error) (path string, hit bool, err error) {
	return s.DoHashed(ctx, kind, key, func(dir string) (map[string]string, error) { return nil, fill(dir) })
}

// DoHashed is Do for a fill that hashes what it writes: it answers the SHA-256
// of files that are on the disk already, by their paths in dir with slashes, so
// that gigabytes need not be read again to record them. It is taken at its
// word; a file that it does not name is read.
func (s Store) DoHashed(ctx context.Context, kind string, key Key, fill func(dir string) (map[string]string, error)) (path string, hit bool, err error) {
	if key.sum == "" || (kind != Stage && kind != Rootfs && kind != Tools) {
		return "", false, fmt.Errorf("looking up %s %q in the store: the key is invalid", kind, key.sum)
	}
	if s.lookup(ctx, kind, key) == nil {
		return s.files(kind, key), true, nil
	}
	if ctx.Err() != nil {
		return "", false, context.Cause(ctx)
	}
	unlock, err := s.lock(ctx, kind, key)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	// Another run may have made it while this one waited.
	switch err := s.lookup(ctx, kind, key); {
	case err == nil:
		return s.files(kind, key), true, nil
	case ctx.Err() != nil:
		return "", false, context.Cause(ctx)
	case !errors.Is(err, fs.ErrNotExist):
		s.notef("the store's %s entry %.12s is damaged and will be made again: %v", kind, key.sum, err)
	}
	if err := s.make(ctx, kind, key, fill); err != nil {
		return "", false, err
	}
	return s.files(kind, key), false, nil
}

// make fills the entry and puts it in its place. The caller holds its lock.
func (s Store) make(ctx context.Context, kind string, key Key, fill func(dir string) (map[string]string, error)) (err error) {
	tmp := s.temp(kind, key)
	before, _ := space(s.Dir)
	defer func() {
		if err != nil {
			err = errors.Join(s.explain(tmp, before, err), sandbox.RemoveAll(tmp))
		}
	}()
	// What is there was left by a process that died with the lock.
	if err := sandbox.RemoveAll(tmp); err != nil {
		return fmt.Errorf("removing what a killed run left: %w", err)
	}
	files := filepath.Join(tmp, "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	began := time.Now()
	known, err := fill(files)
	if err != nil {
		return err
	}
	if err := newRecord(kind, key, began).keep(ctx, tmp, known); err != nil {
		return err
	}
	return s.commit(tmp, kind, key)
}

// commit moves a filled temp to its final name, a damaged entry out of the way first.
func (s Store) commit(tmp, kind string, key Key) error {
	final := s.Path(kind, key.sum)
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return err
	}
	if err := s.remove(kind, key); err != nil {
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	return syncDir(filepath.Dir(final))
}

// remove takes an entry away; half of one is never at its final name.
func (s Store) remove(kind string, key Key) error {
	trash := s.temp(kind, key) + ".trash"
	if err := sandbox.RemoveAll(trash); err != nil {
		return err
	}
	if err := os.Rename(s.Path(kind, key.sum), trash); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return sandbox.RemoveAll(trash)
}

func (s Store) temp(kind string, key Key) string {
	return s.Path("tmp", kind+"-"+key.sum)
}

func (s Store) files(kind string, key Key) string {
	return s.Path(kind, key.sum, "files")
}
