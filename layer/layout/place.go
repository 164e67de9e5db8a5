package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
)

// errTaken says that a layout cannot be renamed to its place: another writer was
// first, or the place is a mount of its own.
var errTaken = errors.New("another file is in its place")

// writeBeside makes the layout in a directory beside its place, and renames it.
func writeBeside(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return v1.Hash{}, err
	}
	temp, unlock, err := beside(ctx, parent, atomicfile.Temp(filepath.Base(dir))+".part-")
	if errors.Is(err, fs.ErrPermission) {
		return v1.Hash{}, errTaken // the place may be writable all the same
	}
	if err != nil {
		return v1.Hash{}, err
	}
	defer func() { _ = unlock() }()
	defer os.RemoveAll(temp)
	hash, err := fill(ctx, temp, tag, img)
	if err != nil {
		return hash, err
	}
	if err := os.Rename(temp, dir); err != nil {
		return hash, fmt.Errorf("%w: %w", errTaken, err)
	}
	return hash, syncDir(parent)
}

// beside makes a directory that this writer holds, and removes those that dead
// ones left: one at a time, so that none is taken for dead before it is held.
func beside(ctx context.Context, parent, prefix string) (temp string, unlock func() error, err error) {
	done, err := lock(ctx, parent)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = done() }()
	removeDead(filepath.Join(parent, prefix))
	if temp, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", nil, err
	}
	if unlock, err = lock(ctx, temp); err == nil {
		err = os.Chmod(temp, 0o755)
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(temp))
	}
	return temp, unlock, nil
}

// removeDead removes what writers left that were killed: a living one holds its
// directory.
func removeDead(prefix string) {
	left, _ := filepath.Glob(prefix + "*")
	for _, dir := range left {
		l := flock.New(dir, flock.SetFlag(os.O_RDONLY))
		if ok, err := l.TryLock(); err == nil && ok {
			_ = os.RemoveAll(dir)
		}
		_ = l.Close()
	}
}

// contents are what a layout held before it was written to.
type contents struct {
	dirs  []string
	names map[string]bool // paths, and those of dirs that were there
}

func had(dir, blobs string) (contents, error) {
	c := contents{[]string{dir, filepath.Dir(blobs), blobs}, map[string]bool{}}
	for _, d := range c.dirs {
		list, err := os.ReadDir(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return c, err
		}
		c.names[d] = true
		for _, e := range list {
			c.names[filepath.Join(d, e.Name())] = true
		}
	}
	return c, nil
}

// restore removes what has come since.
func (c contents) restore() error {
	var faults []error
	for _, d := range slices.Backward(c.dirs) {
		list, err := os.ReadDir(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		faults = append(faults, err)
		for _, e := range list {
			if path := filepath.Join(d, e.Name()); !c.names[path] {
				faults = append(faults, os.RemoveAll(path))
			}
		}
	}
	return errors.Join(faults...)
}

// foreign refuses a directory that is something else than a layout; fresh is
// whether nothing is there.
func foreign(dir string) (fresh bool, err error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, d := range list {
		switch name := d.Name(); {
		case name == "blobs" || name == "oci-layout" || name == "index.json":
		case strings.HasPrefix(name, atomicfile.Temp("oci-layout")) || strings.HasPrefix(name, atomicfile.Temp("index.json")):
		default:
			return false, &layer.OutputError{Path: dir, Message: name + " is in it, so it is not an OCI layout; choose a new directory"}
		}
	}
	return len(list) == 0, nil
}

// tidy removes what writers left that were killed: no other is at work now.
func tidy(dir, blobs string) error {
	for _, d := range []string{dir, blobs} {
		left, err := filepath.Glob(filepath.Join(d, atomicfile.Temp("*")))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
