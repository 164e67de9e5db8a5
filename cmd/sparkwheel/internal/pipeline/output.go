package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
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
	if err := writeWheels(dir, res); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := host.WriteFile(filepath.Join(dir, "build.json"), record); err != nil {
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
