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

// fewFiles is up to how many files are synced each by itself: beyond, one sync
// of the whole file system is cheaper, though it waits for others' writes too.
const fewFiles = 64

// syncTree returns when the tree at root is on the disk; the files that are
// known were.
func syncTree(root string, files []file, known map[string]string) error {
	if len(files) > fewFiles {
		return syncDisk(root)
	}
	for _, f := range files {
		if known[f.Path] != "" {
			continue
		}
		if f.Type != "dir" && f.SHA256 == "" {
			continue // what cannot be opened
		}
		if err := syncDir(filepath.Join(root, filepath.FromSlash(f.Path))); err != nil {
			return err
		}
	}
	return syncDir(root)
}

// syncDir returns when a directory, or a file, is on the disk.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDisk returns when everything on the file system of path is on the disk.
func syncDisk(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
