// Package base owns base images: how one is opened, pinned, kept and unpacked,
// what layers must respect of it, and what its Python says of itself. The
// host's own system as the root of a build is a base too.
package base

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/layer/listing"
)

// Base is a base image, pinned, and unpacked as the sandbox's root, with the
// recipe's packages where it has some.
type Base struct {
	Reference imagename.Name
	Digest    string // with packages, of all that they and the base are
	Index     string // digest of the index that names it, "" for none
	Platform  v1.Platform
	Image     v1.Image
	Root      string      // the unpacked root on this host; "" until unpacked
	Shape     layer.Shape // of Root, or of Files
	// Files are what the layers' lists tell; nil until ReadFiles.
	Files *listing.Files
	// BuildRoot is what builds see: Root with the packages for builds alone.
	BuildRoot   string
	BuildDigest string
	// Packages are the layers that go on Image first: the archive's packages, then
	// those that builds made.
	Packages []*layer.Blob
	Cleared  []string // files of them that no longer set their user or group
	Python   Python
}

// Open opens a base and keeps it in the store, from where it comes the next
// time. A pinned digest that the base no longer has is an error naming both;
// the empty one pins what is there now.
func Open(ctx context.Context, env host.Env, reference imagename.Name, pinned string, p v1.Platform) (b *Base, hit bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening base %s: %w", reference, err)
		}
	}()
	if reference.InRuntime() {
		return openResident(ctx, env, reference, pinned, p)
	}
	var img v1.Image
	digest := pinned
	if pinned == "" {
		if img, err = OpenRoot(ctx, env, reference, "", p); err != nil {
			return nil, false, err
		}
		h, err := img.Digest()
		if err != nil {
			return nil, false, err
		}
		digest = h.String()
	}
	dir, hit, err := env.Store.Do(ctx, store.Stage, Key(digest), func(dir string) error {
		if img == nil {
			if img, err = pinnedImage(ctx, env, reference, pinned, p); err != nil {
				return err
			}
		}
		_, err := layout.Write(ctx, dir, "base", img)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	kept, err := layout.Read(dir, "base", p)
	if err == nil {
		err = mountable(env, reference, kept)
	}
	return &Base{Reference: reference, Digest: digest, Image: kept, Platform: p}, hit, err
}

// mountable tells the registry client where a kept base comes from: a push to
// that registry has its layers mounted there instead of sending them.
func mountable(env host.Env, reference imagename.Name, img v1.Image) error {
	if !reference.Remote() || env.Registry == nil {
		return nil
	}
	ref, err := reference.Parsed()
	if err != nil {
		return err
	}
	return env.Registry.CanMount(ref.Context(), img)
}

// Key is that of the base with a digest in the store.
func Key(digest string) store.Key { return store.NewHash("base").Field("digest", digest).Key() }

// pinnedImage opens a base that is not in the store and must be the pinned one.
func pinnedImage(ctx context.Context, env host.Env, reference imagename.Name, pinned string, p v1.Platform) (v1.Image, error) {
	img, err := OpenRoot(ctx, env, reference, pinned, p)
	if err != nil {
		return nil, err
	}
	got, err := img.Digest()
	if err != nil {
		return nil, err
	}
	if got.String() != pinned {
		return nil, changed(got.String(), pinned)
	}
	return img, nil
}

// OpenImage opens an image by its name. With a digest pinned, a registry is
// asked for that one; whether what a path holds is the pinned image is for the
// caller to see.
func OpenImage(ctx context.Context, env host.Env, n imagename.Name, pinned string, p v1.Platform) (v1.Image, error) {
	switch n.Transport {
	case imagename.Tar:
		return archive.Tar(ctx, n.Path, env.Blobs())
	case imagename.OCI:
		return layout.Read(n.Path, n.Tag, p)
	case imagename.OCIArchive:
		return archive.ReadOCI(ctx, n.Path, n.Tag, p)
	case imagename.DockerArchive:
		return archive.ReadDocker(ctx, n.Path, "", env.Blobs())
	case imagename.Registry:
		return pull(ctx, env, n, pinned, p)
	case imagename.Scratch:
		return layer.Scratch(p)
	case imagename.DockerDaemon, imagename.ContainersStorage, imagename.Containerd:
		b, _, err := openResident(ctx, env, n, pinned, p)
		if err != nil {
			return nil, err
		}
		return b.Image, nil
	case "":
		return nil, errors.New("no image is given; use " + imagename.Forms)
	}
	return nil, &UnsupportedError{n}
}

// UnsupportedError says that no image can be opened by a reserved word.
type UnsupportedError struct{ Name imagename.Name }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s, this host's own system, cannot be used as an image yet; name an image", e.Name)
}

func pull(ctx context.Context, env host.Env, n imagename.Name, pinned string, p v1.Platform) (v1.Image, error) {
	if env.Offline {
		return nil, &host.OfflineError{What: "image " + n.String()}
	}
	ref, err := n.Parsed()
	if err != nil {
		return nil, err
	}
	if pinned != "" {
		ref = ref.Context().Digest(pinned)
	}
	digest, err := env.Registry.Resolve(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	return env.Registry.Pull(ctx, digest, p)
}

// ThroughIndex is a name by the digest of the index that it names, and that
// digest; the name itself where it names no index of a registry.
func ThroughIndex(ctx context.Context, env host.Env, n imagename.Name) (pinned imagename.Name, digest string, err error) {
	if !n.Remote() {
		return n, "", nil
	}
	ref, err := n.Parsed()
	if err != nil {
		return n, "", err
	}
	named, index, err := env.Registry.Named(ctx, ref)
	if err != nil || !index {
		return n, "", err
	}
	return imagename.Name{Transport: imagename.Registry, Reference: named.String()}, named.DigestStr(), nil
}

// Unpack unpacks the base once for each digest.
func (b *Base) Unpack(ctx context.Context, env host.Env) (hit bool, err error) {
	key, err := store.DigestKey(b.Digest)
	if err != nil {
		return false, fmt.Errorf("unpacking base %s: %w", b.Reference, err)
	}
	dir, hit, err := env.Store.Do(ctx, store.Rootfs, key, func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
			return err
		}
		root, err := os.OpenRoot(filepath.Join(dir, "root"))
		if err != nil {
			return err
		}
		defer root.Close()
		shape, err := layer.Unpack(ctx, b.Image, root)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, shapeFile), []byte(host.JSON(shape)), 0o644)
	})
	if err != nil {
		return false, fmt.Errorf("unpacking base %s: %w", b.Reference, err)
	}
	b.Root = filepath.Join(dir, "root")
	b.BuildRoot, b.BuildDigest = b.Root, b.Digest
	if b.Shape, err = ReadShape(dir); err != nil {
		return false, fmt.Errorf("unpacking base %s: %w", b.Reference, err)
	}
	return hit, nil
}

// Pinned names a base; Open says what an empty digest means.
type Pinned struct {
	Name     imagename.Name
	Digest   string
	Platform v1.Platform
}

// Unpacked is a base as it is, its interpreter not asked yet: packages may
// bring one.
func Unpacked(ctx context.Context, env host.Env, at Pinned, run *stage.Run) (*Base, error) {
	env = env.Noting(run)
	b, brought, err := Open(ctx, env, at.Name, at.Digest, at.Platform)
	if err != nil {
		return nil, err
	}
	unpacked, err := b.Unpack(ctx, env)
	if err != nil {
		return nil, err
	}
	if brought && unpacked {
		run.Hit()
	}
	return b, nil
}

// WithPackages is the image with the layers of its packages.
func (b *Base) WithPackages() (v1.Image, error) {
	if len(b.Packages) == 0 {
		return b.Image, nil
	}
	return layer.Append(b.Image, layer.Config{}, b.Packages...)
}
