package layout

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// Write puts img into the OCI layout dir, which it creates if need be, under
// tag (default "latest"), and returns the manifest's digest. The image that had
// the tag loses it, and the blobs that no other image there needs; others stay.
// A layout that is new is made beside its place and renamed; in one that is
// there, blobs are whole or absent at their names and the index changes in one
// step once all are there. After an error dir is as it was. Writers of one dir
// take turns. A link to a directory is written through.
//
// A layer that is a file of this host (has a Path) is hard-linked where the
// file system lets it, else copied; a sound blob that is there stays.
func Write(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	hash, err := write(ctx, dir, cmp.Or(tag, "latest"), img)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("writing OCI layout %s: %w", dir, err)
	}
	return hash, nil
}

// Check says before the work whether Write can write to dir: a directory with
// anything in it that is not a layout's is a *layer.OutputError.
func Check(dir string) error {
	dir, err := layer.OutputDir(dir)
	if err != nil {
		return err
	}
	_, err = foreign(dir)
	return err
}

func write(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	dir, err := layer.OutputDir(dir)
	if err != nil {
		return v1.Hash{}, err
	}
	fresh, err := foreign(dir)
	if err != nil {
		return v1.Hash{}, err
	}
	if fresh {
		hash, err := writeBeside(ctx, dir, tag, img)
		if !errors.Is(err, errTaken) {
			return hash, err
		}
	}
	return writeInto(ctx, dir, tag, img)
}

func writeInto(ctx context.Context, dir, tag string, img v1.Image) (v1.Hash, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return v1.Hash{}, err
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return v1.Hash{}, err
	}
	defer func() { _ = unlock() }()
	if _, err := foreign(dir); err != nil {
		return v1.Hash{}, err
	}
	return fill(ctx, dir, tag, img)
}

// fill writes into a directory that this writer holds; after an error it is as
// it was.
func fill(ctx context.Context, dir, tag string, img v1.Image) (hash v1.Hash, err error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	before, err := had(dir, blobs)
	if err != nil {
		return v1.Hash{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, before.restore())
		}
	}()
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return v1.Hash{}, err
	}
	if err := tidy(dir, blobs); err != nil {
		return v1.Hash{}, err
	}
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

// Descriptor is what an index says of img: its platform, and tag, unless empty,
// as its name.
func Descriptor(img v1.Image, tag string) (v1.Descriptor, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	var desc v1.Descriptor
	if tag != "" {
		desc.Annotations = map[string]string{refName: tag}
	}
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
func lock(ctx context.Context, dir string) (unlock func() error, err error) {
	l := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if _, err := l.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	return l.Close, nil
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
	if sound(path, v1.Descriptor{Digest: h, Size: size}) {
		return nil
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// sound says that path holds what desc describes: another tool may have left
// less, or the disk may have lost some of it.
func sound(path string, desc v1.Descriptor) bool {
	info, err := os.Stat(path)
	if err != nil || info.Size() != desc.Size {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, newVerifier(f, desc))
	return err == nil
}

func writeLayer(ctx context.Context, path string, digest v1.Hash, l v1.Layer) error {
	size, err := l.Size()
	if err != nil {
		return err
	}
	desc := v1.Descriptor{Digest: digest, Size: size}
	if onDisk, ok := l.(interface{ Path() string }); ok {
		if sameFile(onDisk.Path(), path) || link(onDisk.Path(), path) {
			return nil
		}
	}
	if sound(path, desc) {
		return nil
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	in := newVerifier(rc, desc)
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.Copy(w, contextio.NewReader(ctx, in))
		return err
	})
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// link makes path another name of the file from, whatever path was before.
func link(from, path string) bool {
	temp := filepath.Join(filepath.Dir(path), atomicfile.Temp(filepath.Base(path)))
	if os.Link(from, temp) != nil {
		return false
	}
	if os.Rename(temp, path) != nil {
		os.Remove(temp)
		return false
	}
	return true
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
