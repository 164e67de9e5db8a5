// Package atomicfile writes files that are whole or not there.
package atomicfile

import (
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Temp begins the name of a file that is still being written and will be called
// name; one that no process writes was left by a kill and may be removed.
func Temp(name string) string { return "." + name }

// Write gives path the content that fill writes and mode 0644: it is written to
// a file beside path, synced and renamed. After an error path is as it was and
// nothing is left beside it.
func Write(path string, fill func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o644))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if err := fill(&early{file: f.File}); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
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
