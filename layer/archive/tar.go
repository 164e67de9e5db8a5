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
	img, err := readTar(ctx, file, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("reading root file system %s: %w", file, err)
	}
	return img, nil
}

func readTar(ctx context.Context, file, cacheDir string) (v1.Image, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, contextio.NewReader(ctx, f)); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	dir := filepath.Join(cacheDir, "sha256-"+hex.EncodeToString(sum.Sum(nil)))
	blob, err := layer.Open(dir)
	if errors.Is(err, layer.ErrNoBlob) {
		blob, err = compress(ctx, dir, f)
	}
	if err != nil {
		return nil, err
	}
	arch, err := architecture(ctx, blob)
	if err != nil {
		return nil, err
	}
	return rootImage(arch, blob)
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

func compress(ctx context.Context, dir string, f io.Reader) (*layer.Blob, error) {
	r, err := decompress(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return layer.WriteTar(ctx, dir, contextio.NewReader(ctx, r), layer.Options{})
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
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(br)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		dec, err := zstd.NewReader(br)
		if err != nil {
			return nil, err
		}
		return dec.IOReadCloser(), nil
	default:
		return io.NopCloser(br), nil
	}
}
