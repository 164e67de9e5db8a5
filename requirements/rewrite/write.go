package rewrite

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
)

// Write puts the changed files into root, keeping their modes. Every file is
// first written and synced beside the one it replaces; only when all are there
// are they renamed, so that an error before leaves the tree as it was.
func (r Result) Write(root *os.Root) (err error) {
	names := slices.Sorted(maps.Keys(r.Files))
	var temps []string
	defer func() {
		for _, t := range temps {
			if removeErr := root.Remove(t); !errors.Is(removeErr, os.ErrNotExist) {
				err = errors.Join(err, removeErr)
			}
		}
	}()
	for _, name := range names {
		temp := path.Join(path.Dir(name), "."+path.Base(name)+".sparkwheel")
		temps = append(temps, temp)
		if err := writeBeside(root, temp, name, r.Files[name]); err != nil {
			return fmt.Errorf("rewriting %s: %w", name, err)
		}
	}
	for i, name := range names {
		if err := root.Rename(temps[i], name); err != nil {
			return fmt.Errorf("rewriting %s: %w", name, err)
		}
	}
	return nil
}

func writeBeside(root *os.Root, temp, name string, content []byte) (err error) {
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	// One left by a run that was killed.
	if err := root.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	return f.Sync()
}
