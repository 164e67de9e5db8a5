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

// digest reads the files of a list and notes their digests.
func digest(ctx context.Context, root string, files []file) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range files {
		f := &files[i]
		if f.Type != "file" && f.Type != "exec" {
			continue
		}
		g.Go(func() (err error) {
			f.SHA256, err = sum(ctx, filepath.Join(root, filepath.FromSlash(f.Path)))
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
		return f, fmt.Errorf("%s is a %v: only files, directories and links can be kept", path, d.Type())
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
	return fmt.Sprintf("%d.%d.%09d.%d.%09d", st.Ino, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
}

// sum is the SHA-256 of a file.
func sum(ctx context.Context, path string) (string, error) {
	r, err := os.Open(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, reader{ctx, r})
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, r.Close())
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// compare says how root differs from what was recorded. Files whose stamp is
// the recorded one are read only when deep.
func compare(ctx context.Context, root string, want []file, deep bool) error {
	got, err := list(ctx, root)
	if err != nil {
		return err
	}
	byPath := make(map[string]file, len(got))
	for _, f := range got {
		byPath[f.Path] = f
	}
	var faults []error
	for _, w := range want {
		g, ok := byPath[w.Path]
		delete(byPath, w.Path)
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%s is missing", w.Path))
		case g.Type != w.Type || g.Target != w.Target:
			faults = append(faults, fmt.Errorf("%s is another %s than was written", w.Path, g.Type))
		case g.Size != w.Size:
			faults = append(faults, fmt.Errorf("%s has %d bytes of %d", w.Path, g.Size, w.Size))
		case w.SHA256 != "" && (deep || g.Stamp == "" || g.Stamp != w.Stamp):
			digest, err := sum(ctx, filepath.Join(root, filepath.FromSlash(w.Path)))
			if err == nil && digest != w.SHA256 {
				err = fmt.Errorf("%s has the sha256 %s, written was %s", w.Path, digest, w.SHA256)
			}
			if err != nil {
				faults = append(faults, err)
			}
		}
	}
	for _, g := range got {
		if _, extra := byPath[g.Path]; extra {
			faults = append(faults, fmt.Errorf("%s was not written by sparkwheel", g.Path))
		}
	}
	return errors.Join(faults...)
}
