package layer

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// Unpack lays the image's flattened file system out in root, which should be
// empty: layers from the bottom, whiteouts applied, hard links linked, times
// kept. Nothing outside root is touched whatever the layers hold: an entry that
// names a path above it is an error, and links are followed as inside the image.
//
// It is meant for a sandbox's root, whoever runs it: owners, setuid and setgid
// bits, extended attributes and device nodes are left out, and the owner may
// enter every directory and read every file. Each layer is checked against its
// diffID; after an error root holds what had been written. The Shape tells what
// root does not: owners and all modes of the image's directories.
func Unpack(ctx context.Context, img v1.Image, root *os.Root) (Shape, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return Shape{}, fmt.Errorf("unpacking the image: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return Shape{}, fmt.Errorf("unpacking the image: %w", err)
	}
	if len(layers) != len(config.RootFS.DiffIDs) {
		return Shape{}, fmt.Errorf("unpacking the image: its config has %d layers, but its manifest %d", len(config.RootFS.DiffIDs), len(layers))
	}
	u := newUnpacker(root)
	for i, l := range layers {
		if err := u.layer(ctx, l, config.RootFS.DiffIDs[i]); err != nil {
			return Shape{}, fmt.Errorf("unpacking layer %d: %w", i, err)
		}
	}
	if err := u.finishDirs(); err != nil {
		return Shape{}, err
	}
	return u.shape.shape(), nil
}

// UnpackTar is Unpack of an image whose one layer is the tar, which it reads to
// its end. The caller compares the diffID returned with the one that the layer
// should have. Stored is the size of what the tar comes from, compressed or not:
// what is unpacked is bounded by it, as that of a layer is.
func UnpackTar(ctx context.Context, tar io.Reader, stored int64, root *os.Root) (s Shape, diffID v1.Hash, err error) {
	u := newUnpacker(root)
	if diffID, err = u.tar(ctx, tar, stored); err != nil {
		return s, diffID, fmt.Errorf("unpacking a tar: %w", err)
	}
	if err := u.finishDirs(); err != nil {
		return s, diffID, err
	}
	return u.shape.shape(), diffID, nil
}

func newUnpacker(root *os.Root) *unpacker {
	u := &unpacker{root: root, dirs: make(map[string]dirState), shape: newShapeReader()}
	u.resolver = newRootResolver(root, func(dir string) {
		u.dirs[dir] = dirState{0o755, Epoch}
	})
	return u
}

// unpacker applies layers to root one after another.
type unpacker struct {
	root     *os.Root
	resolver *rootResolver
	dirs     map[string]dirState // modes and times set last: a file written changes them
	written  map[string]bool     // places of the layer at hand and what is above them: its whiteouts spare these
	shape    *shapeReader
	buf      [256 << 10]byte
}

type dirState struct {
	mode  fs.FileMode
	mtime time.Time
}

func (u *unpacker) layer(ctx context.Context, l v1.Layer, diffID v1.Hash) error {
	stored, err := l.Size()
	if err != nil {
		return err
	}
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	got, err := u.tar(ctx, rc, stored)
	if err == nil && got != diffID {
		err = fmt.Errorf("its tar is %s, but the image's config says %s", got, diffID)
	}
	return err
}

// tar applies the tar of a layer of that stored size and answers its diffID.
func (u *unpacker) tar(ctx context.Context, r io.Reader, stored int64) (diffID v1.Hash, err error) {
	left := boundsOf(stored)
	sum := sha256.New()
	in := io.TeeReader(contextio.NewReader(ctx, r), sum)
	u.written = make(map[string]bool)
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return diffID, fmt.Errorf("reading its tar: %w", err)
		}
		if err := left.take(h); err != nil {
			return diffID, fmt.Errorf("unpacking %q: %w", h.Name, err)
		}
		if err := u.entry(h, tr); err != nil {
			return diffID, fmt.Errorf("unpacking %q: %w", h.Name, err)
		}
		if err := u.shape.see(h); err != nil {
			return diffID, fmt.Errorf("unpacking %q: %w", h.Name, err)
		}
	}
	if err := u.shape.end(); err != nil {
		return diffID, err
	}
	if _, err := io.CopyBuffer(io.Discard, in, u.buf[:]); err != nil {
		return diffID, fmt.Errorf("reading its tar: %w", err)
	}
	return digestOf(sum), nil
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name, err := EntryName(h.Name)
	if err != nil || name == "." {
		return err
	}
	place, err := u.resolver.place(name)
	if err != nil {
		return err
	}
	if base := path.Base(place); strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(path.Dir(place), base)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		err = u.directory(place, h)
	case tar.TypeReg:
		err = u.file(place, h, r)
	case tar.TypeSymlink:
		if err = u.clear(place); err == nil {
			err = u.root.Symlink(h.Linkname, place)
		}
	case tar.TypeLink:
		err = u.hardLink(place, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("type %q is not allowed in a layer", h.Typeflag)
	}
	for at := place; at != "." && !u.written[at]; at = path.Dir(at) {
		u.written[at] = true
	}
	return err
}

// EntryName is where a tar's entry stands in the image: a clean slash path
// without a leading slash, "." for the root itself. A name that leads out of the
// image, or holds a zero byte, is an error.
func EntryName(name string) (string, error) {
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", errors.New("the name leaves the image")
	}
	if strings.Contains(name, "\x00") {
		return "", errors.New("the name has a zero byte")
	}
	return path.Clean(strings.TrimLeft(name, "/")), nil
}

// clear removes what stands at place, so that nothing is written through a
// link; what is there from a lower layer ends here.
func (u *unpacker) clear(place string) error {
	info, err := u.root.Lstat(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&fs.ModeSymlink != 0 {
		u.resolver.forget()
	}
	if info.IsDir() {
		u.dropDirs(place)
	}
	return u.root.RemoveAll(place)
}

func (u *unpacker) dropDirs(place string) {
	maps.DeleteFunc(u.dirs, func(dir string, _ dirState) bool {
		return dir == place || strings.HasPrefix(dir, place+"/")
	})
}

func (u *unpacker) directory(place string, h *tar.Header) error {
	info, err := u.root.Lstat(place)
	if err != nil || !info.IsDir() {
		if err := u.clear(place); err != nil {
			return err
		}
		if err := u.root.Mkdir(place, 0o700); err != nil {
			return err
		}
	}
	mode := h.FileInfo().Mode()
	u.dirs[place] = dirState{mode&(fs.ModePerm|fs.ModeSticky) | 0o700, h.ModTime}
	return nil
}

func (u *unpacker) file(place string, h *tar.Header, r io.Reader) error {
	if err := u.clear(place); err != nil {
		return err
	}
	f, err := u.root.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{f}, r, u.buf[:])
	if err == nil {
		err = f.Chmod(h.FileInfo().Mode().Perm() | 0o400)
	}
	if err := cmp.Or(err, f.Close()); err != nil {
		return err
	}
	return u.root.Chtimes(place, h.ModTime, h.ModTime)
}

// onlyWriter hides the file's ReadFrom, which would not use our buffer.
type onlyWriter struct{ io.Writer }

func (u *unpacker) hardLink(place string, h *tar.Header) error {
	name, err := EntryName(h.Linkname)
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	target, err := u.resolver.place(name)
	if err != nil {
		return fmt.Errorf("linking to %q: %w", h.Linkname, err)
	}
	if target == place {
		return nil
	}
	if err := u.clear(place); err != nil {
		return err
	}
	return u.root.Link(target, place)
}

// finishDirs sets what only lasts once nothing more is written, the deepest first.
func (u *unpacker) finishDirs() error {
	names := slices.Sorted(maps.Keys(u.dirs))
	for _, dir := range slices.Backward(names) {
		d := u.dirs[dir]
		if err := u.root.Chmod(dir, d.mode); err != nil {
			return fmt.Errorf("unpacking %s: %w", dir, err)
		}
		if err := u.root.Chtimes(dir, d.mtime, d.mtime); err != nil {
			return fmt.Errorf("unpacking %s: %w", dir, err)
		}
	}
	return nil
}
