package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// output leaves what was made in dir: wheels, with the marker files of the
// commits, packages, build.json and, when there is one, the image. A directory of
// wheels or packages that was there is replaced whole, so that one of an earlier
// build never lies beside this one's.
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
	if err := writeDebs(dir, res); err != nil {
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
	for _, name := range []string{"wheels", "debs"} {
		err := replaceable(filepath.Join(dir, name), func(path string) bool { return earlier.wrote(path) || cut.wrote(path) })
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceable refuses a directory that holds anything but what an earlier build
// wrote. It need not be there.
func replaceable(dir string, wrote func(path string) bool) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return &layer.OutputError{Path: dir, Message: "a file that is not a directory is in the way"}
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var others []string
	for _, e := range list {
		if !wrote(filepath.Join(dir, e.Name())) {
			others = append(others, e.Name())
		}
	}
	if len(others) > 0 {
		return &layer.OutputError{Path: dir, Message: fmt.Sprintf("%s: not from an earlier build, and the whole directory would be replaced; move it away, or choose another output directory", host.Some(others))}
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
	Wheels []recordedFile `json:"wheels"`
	Builds []struct {
		Debs   []recordedFile `json:"debs"`
		Wheels []recordedFile `json:"wheels"`
	} `json:"builds"`
}

type recordedFile struct {
	File string `json:"file"`
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

// wrote says whether a file is a wheel or a package of the build, or names one of
// its commits.
func (b built) wrote(path string) bool {
	name := filepath.Base(path)
	files := b.Wheels
	for _, x := range b.Builds {
		files = slices.Concat(files, x.Debs, x.Wheels)
	}
	if slices.ContainsFunc(files, func(f recordedFile) bool { return f.File == name }) {
		return true
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

func writeWheels(dir string, res *Result) error {
	return replaceDir(dir, "wheels", func(temp string) error {
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
		return nil
	})
}

// writeDebs leaves no directory where no package was made.
func writeDebs(dir string, res *Result) error {
	if len(res.Debs) == 0 {
		return os.RemoveAll(filepath.Join(dir, "debs"))
	}
	return replaceDir(dir, "debs", func(temp string) error {
		for _, d := range res.Debs {
			if err := host.CopyFile(d.Path, filepath.Join(temp, filepath.Base(d.Path))); err != nil {
				return err
			}
		}
		return nil
	})
}

// replaceDir puts what fill makes at dir/name, in one step.
func replaceDir(dir, name string, fill func(temp string) error) (err error) {
	temp, err := os.MkdirTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := errors.Join(os.Chmod(temp, 0o755), fill(temp)); err != nil {
		return err
	}
	return exchange(temp, filepath.Join(dir, name))
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
