package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// writeFile writes one blob. The file is new in a directory of our own.
func (p *planned) writeFile(ctx context.Context, name string, f *plannedFile, top Commit, from *stage) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if f.mode == modeExec {
		mode = 0o755
	}
	if staged, blob, ok := from.claim(p.url, f.hash); ok {
		f.size, f.pointer = blob.size, blob.pointer
		err = os.Rename(staged, name)
	} else {
		f.size, f.pointer, err = p.writeBlob(name, f.hash)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return settleOne(name, mode, top)
}

func (p *planned) writeBlob(name string, h plumbing.Hash) (size int64, pointer bool, err error) {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, false, err
	}
	look := pointerLook{w: out}
	size, err = p.repo.copyBlob(&look, h)
	return size, look.pointer, errors.Join(err, out.Close())
}

// writeLink writes one symlink with its target as stored.
func (p *planned) writeLink(name string, f *plannedFile, top Commit) error {
	var target bytes.Buffer
	n, err := p.repo.copyBlob(&target, f.hash)
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	if n == 0 || n > 4095 || strings.ContainsRune(target.String(), 0) {
		return fmt.Errorf("refusing the symlink %s: its target is empty, too long or has a NUL", f.path)
	}
	if err := os.Symlink(target.String(), name); err != nil {
		return err
	}
	f.size = n
	ts, err := unix.TimeToTimespec(top.Time)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// writeGitDir makes the least that git takes for a repository, with a detached
// HEAD.
func writeGitDir(dir string, c Commit) error {
	gitDir := filepath.Join(dir, ".git")
	dirs := []string{gitDir, filepath.Join(gitDir, "objects"), filepath.Join(gitDir, "refs")}
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"HEAD":   c.Hash + "\n",
		"config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
	} {
		file := filepath.Join(gitDir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		if err := settleOne(file, 0o644, c); err != nil {
			return err
		}
	}
	for _, d := range []string{dirs[1], dirs[2], dirs[0]} {
		if err := settleOne(d, 0o755, c); err != nil {
			return err
		}
	}
	return nil
}

func settleOne(name string, mode os.FileMode, c Commit) error {
	if err := os.Chmod(name, mode); err != nil {
		return err
	}
	return os.Chtimes(name, c.Time, c.Time)
}
