package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sweep empties tmp. The caller holds the store alone. An error only means that
// something stays until the next time.
func (s Store) sweep() {
	names, err := os.ReadDir(s.Scratch())
	if err != nil {
		return
	}
	for _, e := range names {
		_ = removeAll(s.Path("tmp", e.Name()))
	}
}

// removeAll is os.RemoveAll for trees with directories that their owner may
// not write, as bases and module caches have.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}

// treeSize is the bytes of the files below dir, as far as they can be read.
func treeSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDisk writes out everything on the file system of dir: for trees of many
// files one call is far cheaper than one for each.
func syncDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
