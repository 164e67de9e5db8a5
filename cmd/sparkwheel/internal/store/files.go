package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sweep removes what dead runs left in tmp: an entry's temp belongs to whoever
// holds the entry's lock, so one whose lock is free has no owner. Errors only
// mean that it stays until the next time.
func (s Store) sweep() {
	names, err := os.ReadDir(s.Path("tmp"))
	if err != nil {
		return
	}
	for _, e := range names {
		kind, key, ok := parseTemp(e.Name())
		if !ok {
			continue
		}
		unlock, err := s.tryLock(kind, key)
		if err != nil {
			continue
		}
		_ = removeAll(s.Path("tmp", e.Name()))
		unlock()
	}
}

// parseTemp reads the name that temp or remove gave.
func parseTemp(name string) (kind string, key Key, ok bool) {
	name = trimSuffix(name, ".trash")
	for _, kind := range []string{Stage, Rootfs, Tools} {
		if len(name) == len(kind)+1+64 && name[:len(kind)+1] == kind+"-" {
			key, err := DigestKey(name[len(kind)+1:])
			return kind, key, err == nil
		}
	}
	return "", Key{}, false
}

func trimSuffix(s, suffix string) string {
	if len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix {
		return s[:len(s)-len(suffix)]
	}
	return s
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
