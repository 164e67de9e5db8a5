package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// ReadOnlyError says that a store cannot be written.
type ReadOnlyError struct {
	Dir string
	Err error
}

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("writing to the store %s: %v; give --store a directory that you can write to", e.Dir, e.Reason())
}

// Reason is why, in the system's own few words.
func (e *ReadOnlyError) Reason() error { return cause(e.Err) }

// Unwrap gives the cause.
func (e *ReadOnlyError) Unwrap() error { return e.Err }

// FullError says that the disk of a store is full.
type FullError struct {
	Dir  string
	Need int64 // bytes that were free when the work began: it needs more
	Free int64 // bytes free now, with what it had written gone
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("writing to the store %s: its disk is full (%s free now, more than %s needed): %v; free some with `sparkwheel cache gc`, or give --store a directory on a larger disk",
		e.Dir, Size(e.Free), Size(e.Need), cause(e.Err))
}

// Unwrap gives the cause.
func (e *FullError) Unwrap() error { return e.Err }

// cause is err without the path of a temp that is gone when it is read.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// explainWrite turns an error of writing below dir into one that says what to do.
func explainWrite(dir string, err error) error {
	if err != nil && isReadOnly(err) {
		return &ReadOnlyError{dir, err}
	}
	return err
}

// explain tells why filling tmp went wrong where the disk or its rights are the
// cause. before is what was free when it began. A tool that met a full disk
// only says so in its own words, so the disk is asked too.
func (s Store) explain(tmp string, before int64, err error) error {
	written := treeSize(tmp)
	free, total := space(s.Dir)
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if full || (written > 0 && total > 0 && free < 1<<20) {
		return &FullError{Dir: s.Dir, Need: max(before, written), Free: free + written, Err: err}
	}
	var path *fs.PathError
	if errors.As(err, &path) && isReadOnly(err) {
		if rel, relErr := filepath.Rel(s.Dir, path.Path); relErr == nil && filepath.IsLocal(rel) {
			return &ReadOnlyError{s.Dir, err}
		}
	}
	return err
}

// space is what an ordinary user may still write at dir, and the disk's size; 0, 0 when unknown.
func space(dir string) (free, total int64) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, 0
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}

// Size writes a number of bytes for people, in powers of 1024.
func Size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for ; f >= 1023.95 && i < len(units)-1; i++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}
