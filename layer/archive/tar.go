// Package archive reads and writes images that are one file: a root file
// system's tar as a base, docker-archives and oci-archives.
package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// defaultPath is the PATH of a base that is only files: Debian's and docker's.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Tar is the image of a root file system's tar, plain or compressed with gzip
// or zstd: the tar as it stands is its one layer, compressed once at a fixed
// level and kept below cacheDir by the file's SHA-256. Its architecture is that
// of usr/bin/python3, or, without Python, of another program in the tar; it
// sets PATH and nothing else. The same tar gives the same digest.
func Tar(ctx context.Context, file, cacheDir string) (v1.Image, error) {
	t, err := OpenTar(ctx, file, cacheDir)
	if err != nil {
		return nil, err
	}
	return t.Image(ctx)
}

// A RootTar is the tar of a root file system, whose Image is made when it is
// asked for. Its methods may run side by side. No file stays open.
type RootTar struct {
	file  string
	dir   string // of its compressed form
	plain bool
	sum   v1.Hash // of the file
}

// OpenTar reads the file once, to know it by its SHA-256: Image is what Tar
// returns.
func OpenTar(ctx context.Context, file, cacheDir string) (*RootTar, error) {
	t, err := openRootTar(ctx, file, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("reading root file system %s: %w", file, err)
	}
	return t, nil
}

func openRootTar(ctx context.Context, file, cacheDir string) (*RootTar, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(contextio.NewReader(ctx, f), 1<<20)
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return nil, err
	}
	t := &RootTar{file: file, plain: compression(magic) == "", sum: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}}
	t.dir = filepath.Join(cacheDir, "sha256-"+t.sum.Hex)
	return t, nil
}

// Kept is whether the tar was compressed before: Image has little to do then.
func (t *RootTar) Kept() bool {
	_, err := layer.Open(t.dir)
	return err == nil
}

// Image is the image of the tar.
func (t *RootTar) Image(ctx context.Context) (v1.Image, error) {
	img, err := t.image(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading root file system %s: %w", t.file, err)
	}
	return img, nil
}

func (t *RootTar) image(ctx context.Context) (v1.Image, error) {
	blob, err := layer.Open(t.dir)
	if errors.Is(err, layer.ErrNoBlob) {
		blob, err = t.compress(ctx)
	}
	if err != nil {
		return nil, err
	}
	if diffID, _ := blob.DiffID(); t.plain && diffID == t.sum {
		later := context.WithoutCancel(ctx) // the image outlives the call
		blob = blob.WithTar(func() (io.ReadCloser, error) { return t.open(later) })
	}
	arch, err := architecture(ctx, blob)
	if err != nil {
		return nil, err
	}
	return rootImage(arch, blob)
}

// Unpack lays the tar out in root as layer.Unpack does its image, and answers
// the diffID that the image's layer must have. It does not need the Image.
func (t *RootTar) Unpack(ctx context.Context, root *os.Root) (layer.Shape, v1.Hash, error) {
	f, err := openRegular(t.file)
	if err != nil {
		return layer.Shape{}, v1.Hash{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return layer.Shape{}, v1.Hash{}, err
	}
	r, err := decompress(f)
	if err != nil {
		return layer.Shape{}, v1.Hash{}, err
	}
	defer r.Close()
	return layer.UnpackTar(ctx, r, info.Size(), root)
}

// open opens what is in the file; a plain tar must still be the one that was
// hashed.
func (t *RootTar) open(ctx context.Context) (io.ReadCloser, error) {
	f, err := openRegular(t.file)
	if err != nil {
		return nil, err
	}
	if t.plain {
		return opened{&diffIDReader{contextio.NewReader(ctx, f), sha256.New(), t.sum}, f.Close}, nil
	}
	r, err := decompress(contextio.NewReader(ctx, f))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened{r, func() error { return errors.Join(r.Close(), f.Close()) }}, nil
}

type opened struct {
	io.Reader
	close func() error
}

func (o opened) Close() error { return o.close() }

func (t *RootTar) compress(ctx context.Context) (*layer.Blob, error) {
	r, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return layer.WriteTar(ctx, t.dir, r, layer.Options{})
}

// openRegular opens a regular file. To open a FIFO would wait for its writer,
// and a device may have no end.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return os.Open(path)
}

func rootImage(arch string, blob *layer.Blob) (v1.Image, error) {
	base, err := layer.Scratch(v1.Platform{OS: "linux", Architecture: arch})
	if err != nil {
		return nil, err
	}
	return layer.Append(base, layer.Config{Env: []string{defaultPath}}, blob)
}

// decompress looks at the first bytes, since a tar's name says little.
func decompress(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch compression(magic) {
	case layer.Gzip:
		return gzip.NewReader(br)
	case layer.Zstd:
		dec, err := zstd.NewReader(br)
		if err != nil {
			return nil, err
		}
		return dec.IOReadCloser(), nil
	default:
		return io.NopCloser(br), nil
	}
}

// compression is what a stream that begins so is compressed with, "" for none.
func compression(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return layer.Gzip
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return layer.Zstd
	}
	return ""
}
