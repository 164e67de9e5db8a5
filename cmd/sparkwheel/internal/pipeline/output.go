package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// output leaves what was made in dir: wheels, with the marker files of the
// commits, build.json and, when there is one, the image. A wheels directory that was there is replaced whole,
// so that a wheel of an earlier build never lies beside this one's.
func output(ctx context.Context, dir string, res *Result) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	record, err := res.Record.JSON()
	if err != nil {
		return err
	}
	// What the user may have put there meanwhile is not lost either.
	if err := checkOutput(dir); err != nil {
		return err
	}
	// A run that is killed between the two leaves wheels that build.json does not
	// list; the pending one does.
	if err := host.WriteFile(filepath.Join(dir, pendingRecord), record); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := writeWheels(dir, res); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := host.WriteFile(filepath.Join(dir, "build.json"), record); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, pendingRecord)); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if res.Image == nil {
		return nil
	}
	if _, err := layout.Write(ctx, filepath.Join(dir, "image"), "latest", res.Image); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return nil
}

// checkOutput looks before the work at what is in the output directory: what an
// earlier build left, as its build.json says, is replaced; anything else there
// is the user's, and an error.
func checkOutput(dir string) error {
	if _, err := layer.OutputDir(dir); err != nil {
		return err
	}
	earlier, err := earlierBuild(filepath.Join(dir, "build.json"))
	if err != nil {
		return err
	}
	cut, err := earlierBuild(filepath.Join(dir, pendingRecord))
	if err != nil {
		return err
	}
	if err := layout.Check(filepath.Join(dir, "image")); err != nil {
		return err
	}
	wheels := filepath.Join(dir, "wheels")
	if info, err := os.Lstat(wheels); err == nil && !info.IsDir() {
		return &layer.OutputError{Path: wheels, Message: "a file that is not a directory is in the way"}
	}
	list, err := os.ReadDir(wheels)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var others []string
	for _, e := range list {
		if path := filepath.Join(wheels, e.Name()); !earlier.wrote(path) && !cut.wrote(path) {
			others = append(others, e.Name())
		}
	}
	if len(others) > 0 {
		return &layer.OutputError{Path: wheels, Message: fmt.Sprintf("%s: not from an earlier build, and the whole directory would be replaced; move it away, or choose another output directory", host.Some(others))}
	}
	return nil
}

// pendingRecord is build.json while the files that it lists are put in place.
const pendingRecord = ".build.json"

// built is what an earlier build.json says of the files beside it.
type built struct {
	Recipe  string `json:"recipe"`
	Sources []struct {
		Commit string `json:"commit"`
	} `json:"sources"`
	Wheels []struct {
		File string `json:"file"`
	} `json:"wheels"`
}

// earlierBuild reads a build.json; none is no earlier build, and one that no
// build wrote is an *layer.OutputError.
func earlierBuild(path string) (b built, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	if json.Unmarshal(text, &b) != nil || b.Recipe == "" {
		return b, &layer.OutputError{Path: path, Message: "it is not from an earlier build; move it away, or choose another output directory"}
	}
	return b, nil
}

// wrote says whether a file is a wheel of the build, or names one of its commits.
func (b built) wrote(path string) bool {
	name := filepath.Base(path)
	for _, w := range b.Wheels {
		if w.File == name {
			return true
		}
	}
	if !strings.HasPrefix(name, ".") {
		return false
	}
	text, err := os.ReadFile(path)
	for _, s := range b.Sources {
		if err == nil && strings.TrimSpace(string(text)) == s.Commit {
			return true
		}
	}
	return false
}

func writeWheels(dir string, res *Result) (err error) {
	temp, err := os.MkdirTemp(dir, ".wheels-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	for _, w := range res.Wheels {
		if err := host.CopyFile(w.Path, filepath.Join(temp, w.File)); err != nil {
			return err
		}
	}
	for name, text := range res.Commits {
		if err := os.WriteFile(filepath.Join(temp, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return exchange(temp, filepath.Join(dir, "wheels"))
}

// exchange puts temp where final is and what was there, if anything, at temp.
func exchange(temp, final string) error {
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, final, unix.RENAME_EXCHANGE)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(temp, final)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// Some file systems cannot exchange.
		if err := os.Rename(final, temp+".old"); err != nil {
			return err
		}
		return errors.Join(os.Rename(temp, final), os.RemoveAll(temp+".old"))
	}
	return err
}
