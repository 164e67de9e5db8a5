package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OutputError says why nothing is written at a path: something is there that is
// not an earlier output, and is not to be lost.
type OutputError struct{ Path, Message string }

func (e *OutputError) Error() string { return e.Path + ": " + e.Message }

// OutputFile is where a file called path is to be written: path itself, or what
// a link there leads to, which is written through and not replaced. A link that
// leads nowhere, and what is neither a link nor a plain file, is an *OutputError.
func OutputFile(path string) (string, error) {
	return output(path, "file", fs.FileMode.IsRegular)
}

// OutputDir is OutputFile for a directory.
func OutputDir(path string) (string, error) {
	return output(path, "directory", fs.FileMode.IsDir)
}

func output(path, want string, fits func(fs.FileMode) bool) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return "", &OutputError{path, "it is a link that leads nowhere"}
		}
		path = real
		if info, err = os.Stat(real); err != nil {
			return "", err
		}
	}
	if !fits(info.Mode()) {
		return "", &OutputError{path, fmt.Sprintf("a file that is not a %s is in the way", want)}
	}
	return path, nil
}
