// Package regular opens files that a user names. What is not a regular file is
// refused before it is opened: a FIFO would wait for its writer, a device may
// have no end.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// MaxText bounds what Read takes into memory: recipes, locks and patches have
// kilobytes.
const MaxText = 64 << 20

// Open opens a regular file, or a link to one, for reading. The error of
// anything else names its kind and is an *fs.PathError, as that of os.Open.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is " + kind(info.Mode()) + ", not a regular file")}
	}
	return os.Open(path)
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Read is the content of a regular file of at most MaxText bytes.
func Read(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxText {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d MiB", MaxText>>20)}
	}
	return text, nil
}
