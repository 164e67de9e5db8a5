package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// copier copies a tree so that nothing of where it lay shows: modes become 0755
// and 0644 and all times at, since backends write both into wheels.
type copier struct {
	at      time.Time
	reverse bool // fill directories from the last name to the first
}

// tree copies from to the new directory to. Symbolic links stay links.
func (c copier) tree(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	// Sorted, so that the copy's directories are filled alike on every host.
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if c.reverse {
		slices.Reverse(entries)
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch kind := e.Type(); {
		case kind.IsDir():
			err = c.tree(ctx, src, dst)
		case kind&fs.ModeSymlink != 0:
			err = copyLink(src, dst, c.at)
		case kind.IsRegular():
			err = copyFile(src, dst, c.at)
		default:
			err = fmt.Errorf("%s is neither file, directory nor symbolic link", src)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(to, 0o755), os.Chtimes(to, c.at, c.at))
}

func copyLink(from, to string, at time.Time) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

func copyFile(from, to string, at time.Time) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	// The caller's umask must not show in the copy.
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Chmod(mode), dst.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, at, at)
}

// writeFiles writes files below dir, over what stands there. No link in the
// tree can lead one out of it.
func writeFiles(dir string, files map[string]string, at time.Time) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, []byte(files[name]), 0o644); err != nil {
			return err
		}
		if err := root.Chtimes(name, at, at); err != nil {
			return err
		}
	}
	return nil
}
