package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// tarWriter writes an archive's members, each name once, with nothing of this
// host in their headers.
type tarWriter struct {
	*tar.Writer
	written map[string]bool
}

func newTarWriter(w io.Writer) *tarWriter {
	return &tarWriter{tar.NewWriter(w), make(map[string]bool)}
}

// header begins a file, after the directories that lead to it; it answers false
// for one that is there already.
func (w *tarWriter) header(name string, size int64) (bool, error) {
	if w.written[name] {
		return false, nil
	}
	if err := w.directory(path.Dir(name)); err != nil {
		return false, err
	}
	w.written[name] = true
	return true, w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: layer.Epoch,
	})
}

func (w *tarWriter) directory(name string) error {
	if name == "." || w.written[name] {
		return nil
	}
	if err := w.directory(path.Dir(name)); err != nil {
		return err
	}
	w.written[name] = true
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: layer.Epoch})
}

func (w *tarWriter) bytes(name string, content []byte) error {
	fresh, err := w.header(name, int64(len(content)))
	if err != nil || !fresh {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(content))
	return err
}

// layer copies a layer's compressed bytes and checks them on the way.
func (w *tarWriter) layer(ctx context.Context, l v1.Layer, name func(v1.Hash) string) error {
	digest, err := l.Digest()
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	fresh, err := w.header(name(digest), size)
	if err != nil || !fresh {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), contextio.NewReader(ctx, rc)); err != nil {
		return fmt.Errorf("copying layer %s: %w", digest, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest.Hex {
		return fmt.Errorf("copying layer %s: its bytes are sha256:%s", digest, got)
	}
	return nil
}
