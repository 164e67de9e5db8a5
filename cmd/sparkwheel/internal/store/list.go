package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// list is everything below root, parents first and in the order of names.
func list(ctx context.Context, root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if path == root || err != nil {
			return err
		}
		f, err := describe(path, d)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		f.Path = filepath.ToSlash(rel)
		files = append(files, f)
		return err
	})
	return files, err
}

// digest notes the digests of the files of a list, and reads those that are not
// known yet.
func digest(ctx context.Context, root string, files []file, known map[string]string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range files {
		f := &files[i]
		if f.Type != "file" && f.Type != "exec" {
			continue
		}
		if f.SHA256 = known[f.Path]; f.SHA256 != "" {
			continue
		}
		g.Go(func() (err error) {
			f.SHA256, err = sum(ctx, filepath.Join(root, filepath.FromSlash(f.Path)))
			if errors.Is(err, fs.ErrPermission) {
				return nil // a base may have files that their owner may not read
			}
			return err
		})
	}
	return g.Wait()
}

// describe is what can be told of a path without reading it.
func describe(path string, d fs.DirEntry) (f file, err error) {
	switch d.Type() {
	case fs.ModeDir:
		return file{Type: "dir"}, nil
	case fs.ModeSymlink:
		f.Type = "link"
		f.Target, err = os.Readlink(path)
		return f, err
	case 0:
	default:
		return file{Type: "other"}, nil
	}
	info, err := d.Info()
	if err != nil {
		return f, err
	}
	f.Type, f.Size, f.Stamp = "file", info.Size(), stamp(info)
	if info.Mode()&0o100 != 0 {
		f.Type = "exec"
	}
	return f, nil
}

func stamp(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d.%d.%09d.%d.%09d.%d", st.Ino, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec, st.Nlink)
}

// renamed says that of the two stamps one file has more names than the other:
// an image's directory was given one of a layer, or lost it. That alone sets the
// change time, and gigabytes need not be read for it.
func renamed(old, now string) bool {
	a, b := strings.Split(old, "."), strings.Split(now, ".")
	const fields, written, names = 6, 3, 5
	return len(a) == fields && len(b) == fields && a[names] != b[names] && slices.Equal(a[:written], b[:written])
}

// sum is the SHA-256 of a file. Some have gigabytes, so that it ends with ctx.
func sum(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		switch _, err := io.CopyN(h, f, 8<<20); {
		case errors.Is(err, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), nil
		case err != nil:
			return "", err
		}
	}
}

// compare says how root differs from what was recorded. Files whose stamp is
// the recorded one are read only when deep; restamped is whether others were
// read, found whole and given their stamp of now in want.
func compare(ctx context.Context, root string, want []file, deep bool) (restamped bool, err error) {
	got, err := list(ctx, root)
	if err != nil {
		return false, err
	}
	byPath := make(map[string]file, len(got))
	for _, f := range got {
		byPath[f.Path] = f
	}
	var faults []error
	for i := range want {
		g, ok := byPath[want[i].Path]
		if !ok {
			faults = append(faults, fmt.Errorf("%s is missing", want[i].Path))
			continue
		}
		delete(byPath, want[i].Path)
		stale, err := differs(ctx, root, want[i], g, deep)
		if err != nil {
			faults = append(faults, err)
		}
		if stale {
			want[i].Stamp, restamped = g.Stamp, true
		}
	}
	for _, g := range got {
		if _, extra := byPath[g.Path]; extra {
			faults = append(faults, fmt.Errorf("%s was not written by sparkwheel", g.Path))
		}
	}
	return restamped, errors.Join(faults...)
}

// differs says what is wrong with one file, and whether it is to be recorded
// with another stamp. The stamp is older than the reading: a write in between
// changes it again.
func differs(ctx context.Context, root string, want, got file, deep bool) (stale bool, err error) {
	switch {
	case got.Type != want.Type || got.Target != want.Target:
		return false, fmt.Errorf("%s is another %s than the one written", want.Path, got.Type)
	case got.Size != want.Size:
		return false, fmt.Errorf("%s has %d bytes of %d", want.Path, got.Size, want.Size)
	}
	stale = got.Stamp != want.Stamp
	if want.SHA256 == "" {
		return false, nil // what could not be read when it was written is not read now
	}
	if !deep && (!stale || renamed(want.Stamp, got.Stamp)) {
		return stale, nil
	}
	sha256, err := sum(ctx, filepath.Join(root, filepath.FromSlash(want.Path)))
	if err == nil && sha256 != want.SHA256 {
		err = fmt.Errorf("%s has the sha256 %s, but %s was written", want.Path, sha256, want.SHA256)
	}
	return stale, err
}
