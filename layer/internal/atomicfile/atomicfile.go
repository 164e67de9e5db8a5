// Package atomicfile writes files that are whole or not there.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// TempPrefix begins the name of a file that is still being written; one that
// no process writes was left by a kill and may be removed.
const TempPrefix = ".tmp-"

// Write gives path the content that fill writes and mode 0644: it is written to
// a file beside path, synced and renamed. After an error path is as it was and
// nothing is left beside it.
func Write(path string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
