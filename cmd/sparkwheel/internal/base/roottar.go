package base

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// OpenRoot is OpenImage of a base that is going to be unpacked: a tar that is
// new to the store is unpacked while it is compressed, and Unpack finds it done.
func OpenRoot(ctx context.Context, env host.Env, n imagename.Name, pinned string, p v1.Platform) (v1.Image, error) {
	if n.Transport != imagename.Tar {
		return OpenImage(ctx, env, n, pinned, p)
	}
	t, err := archive.OpenTar(ctx, n.Path, env.Blobs())
	if err != nil {
		return nil, err
	}
	if t.Kept() {
		return t.Image(ctx)
	}
	return unpackMeanwhile(ctx, env, t)
}

func unpackMeanwhile(ctx context.Context, env host.Env, t *archive.RootTar) (img v1.Image, err error) {
	dir, err := os.MkdirTemp(env.Scratch(), "root-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(dir)) }()
	var shape layer.Shape
	var diffID v1.Hash
	g, limited := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		img, err = t.Image(limited)
		return err
	})
	g.Go(func() (err error) {
		shape, diffID, err = unpackTar(limited, t, filepath.Join(dir, "root"))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	if len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != diffID {
		return nil, errors.New("the tar changed while it was read")
	}
	return img, keepRoot(ctx, env, img, dir, shape)
}

func unpackTar(ctx context.Context, t *archive.RootTar, dir string) (layer.Shape, v1.Hash, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return layer.Shape{}, v1.Hash{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return layer.Shape{}, v1.Hash{}, err
	}
	defer root.Close()
	return t.Unpack(ctx, root)
}

// keepRoot moves an unpacked root to its place in the store, as Unpack would
// have it there.
func keepRoot(ctx context.Context, env host.Env, img v1.Image, dir string, shape layer.Shape) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	key, err := store.DigestKey(digest.String())
	if err != nil {
		return err
	}
	_, _, err = env.Store.Do(ctx, store.Rootfs, key, func(entry string) error {
		if err := os.Rename(filepath.Join(dir, "root"), filepath.Join(entry, "root")); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(entry, shapeFile), []byte(host.JSON(shape)), 0o644)
	})
	return err
}
