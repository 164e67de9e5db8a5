// Package atomicfile writes files that are whole or not there.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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
	if err := fill(&early{file: f}); err != nil {
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

// earlyEvery is how much is written before the kernel is asked to begin.
const earlyEvery = 8 << 20

// early has the kernel write to the disk while more is still being made: the
// sync at the end of a layer of gigabytes would else wait for all of it.
type early struct {
	file           *os.File
	written, begun int64
}

func (e *early) Write(p []byte) (int, error) {
	n, err := e.file.Write(p)
	e.written += int64(n)
	if e.written-e.begun >= earlyEvery {
		// A file system that cannot do this does it all at the sync.
		_ = unix.SyncFileRange(int(e.file.Fd()), e.begun, e.written-e.begun, unix.SYNC_FILE_RANGE_WRITE)
		e.begun = e.written
	}
	return n, err
}
