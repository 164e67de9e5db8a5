package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// sweep empties tmp. The caller holds the store alone. An error only means that
// something stays until the next time.
func (s Store) sweep() {
	names, err := os.ReadDir(s.Scratch())
	if err != nil {
		return
	}
	for _, e := range names {
		_ = sandbox.RemoveAll(s.Path("tmp", e.Name()))
	}
}

// treeSize is the bytes of the files below dir, as far as they can be read.
func treeSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what cannot be read has no size
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
