package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/layer"
)

// PlaceTree copies a directory that may be there in part or in an older form.
func PlaceTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o777)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(path, ".lock") {
			return nil
		}
		return PlaceFile(path, target)
	})
}

// PlaceBlob links a blob into the bundle where both are on one file system: no
// store ever writes to a blob, and gigabytes need not lie there twice.
func PlaceBlob(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	// What is there under that name is not of the pinned size.
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	return PlaceFile(from, to)
}

// PlaceFile copies one file to its place in one step. What a kill leaves beside
// it has one name, so that the next run takes it away: files have gigabytes.
func PlaceFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	temp := to + ".part"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := CopyFile(from, temp); err != nil {
		return err
	}
	return os.Rename(temp, to)
}

// WriteFile puts data at path in one step: readers find the old file or the
// new one, and a failure leaves the old one. A link is written through.
func WriteFile(path string, data []byte) error {
	path, err := layer.OutputFile(path)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
}

// CopyFile copies, never links: the user may do as they like with the result,
// and the store must stay what it was.
func CopyFile(from, to string) (err error) {
	in, err := regular.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

// HashFile is the SHA-256 of a file, in hex, and its size.
func HashFile(path string) (sum string, size int64, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return hashReader(f)
}

// HashReader is the SHA-256, in hex, of what is left to read.
func HashReader(r io.Reader) (sum string, err error) {
	sum, _, err = hashReader(r)
	return sum, err
}

func hashReader(r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
