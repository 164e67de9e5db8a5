package layout

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
)

// Write puts img into the OCI layout dir, which it creates if need be, under
// tag (default "latest"), and returns the manifest's digest. The image that had
// the tag loses it; others stay. Blobs are whole or absent at their names and
// the index changes last, in one step: whoever reads dir meanwhile, or after an
// interruption, finds a valid layout. Writers of one dir take turns.
//
// A layer that is a file of this host (has a Path) is hard-linked where the
// file system lets it, else copied; a blob that is there is not written again.
func Write(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	hash, err := write(ctx, dir, cmp.Or(tag, "latest"), img)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("writing OCI layout %s: %w", dir, err)
	}
	return hash, nil
}

func write(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return v1.Hash{}, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return v1.Hash{}, err
	}
	defer unlock()
	err = atomicfile.Write(filepath.Join(dir, "oci-layout"), func(w io.Writer) error {
		_, err := io.WriteString(w, `{"imageLayoutVersion":"1.0.0"}`+"\n")
		return err
	})
	if err != nil {
		return v1.Hash{}, err
	}
	if err := writeBlobs(ctx, blobs, img); err != nil {
		return v1.Hash{}, err
	}
	desc, err := Descriptor(img, tag)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := syncDir(blobs); err != nil {
		return v1.Hash{}, err
	}
	return desc.Digest, setTag(dir, tag, desc)
}

// Descriptor is what an index says of img: its platform, and tag as its name.
func Descriptor(img v1.Image, tag string) (v1.Descriptor, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	desc := v1.Descriptor{Annotations: map[string]string{refName: tag}}
	if desc.Digest, desc.Size, err = v1.SHA256(bytes.NewReader(raw)); err != nil {
		return v1.Descriptor{}, err
	}
	if desc.MediaType, err = img.MediaType(); err != nil {
		return v1.Descriptor{}, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return v1.Descriptor{}, err
	}
	desc.Platform = config.Platform()
	return desc, nil
}

// lock keeps other writers out of dir; it needs no file of its own there.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("locking: %w", err)
	}
	return func() { d.Close() }, nil
}

func writeBlobs(ctx context.Context, blobs string, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	seen := make(map[v1.Hash]bool)
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if seen[digest] {
			continue
		}
		seen[digest] = true
		g.Go(func() error { return writeLayer(ctx, filepath.Join(blobs, digest.Hex), digest, l) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	return errors.Join(writeDocument(blobs, config), writeDocument(blobs, manifest))
}

func writeDocument(blobs string, content []byte) error {
	h, size, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return err
	}
	path := filepath.Join(blobs, h.Hex)
	if present(path, size) {
		return nil
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func present(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

func writeLayer(ctx context.Context, path string, digest v1.Hash, l v1.Layer) error {
	size, err := l.Size()
	if err != nil || present(path, size) {
		return err
	}
	if onDisk, ok := l.(interface{ Path() string }); ok {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if os.Link(onDisk.Path(), path) == nil {
			return nil
		}
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	in := newVerifier(rc, v1.Descriptor{Digest: digest, Size: size})
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.Copy(w, contextReader{in, ctx.Err})
		return err
	})
}

// contextReader ends a long copy when the context does.
type contextReader struct {
	r   io.Reader
	err func() error
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// setTag makes desc the one descriptor of the index with its tag.
func setTag(dir, tag string, desc v1.Descriptor) error {
	index, err := store{os.DirFS(dir), dir}.index()
	if errors.Is(err, fs.ErrNotExist) {
		index, err = &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}, nil
	}
	if err != nil {
		return err
	}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[refName] == tag
	})
	index.Manifests = append(index.Manifests, desc)
	return atomicfile.Write(filepath.Join(dir, "index.json"), func(w io.Writer) error {
		return json.NewEncoder(w).Encode(index)
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
