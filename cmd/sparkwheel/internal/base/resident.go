package base

import (
	"context"
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// openResident opens what a runtime of this host has, copied once into the
// store: what was asked for goes on to mean the same when the runtime's name
// moves or its image goes.
func openResident(ctx context.Context, env host.Env, n imagename.Name, pinned string, p v1.Platform) (b *Base, hit bool, err error) {
	digest := pinned
	found := &hosts.Found{}
	if pinned == "" {
		if found, err = findResident(ctx, env, n, n.Reference, p); err != nil {
			return nil, false, err
		}
		if (found.Digest != v1.Hash{}) {
			digest = found.Digest.String()
		}
	}
	dir, err := os.MkdirTemp(env.Scratch(), "image-")
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var img v1.Image
	if digest == "" {
		var h v1.Hash
		if img, h, err = found.Open(ctx, dir, env.Blobs()); err != nil {
			return nil, false, err
		}
		digest = h.String()
	}
	entry, hit, err := env.Store.Do(ctx, store.Stage, Key(digest), func(entry string) error {
		if img == nil {
			if img, err = pinnedResident(ctx, env, Pinned{Name: n, Digest: digest, Platform: p}, dir); err != nil {
				return err
			}
		}
		_, err := layout.Write(ctx, entry, "base", img)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	kept, err := layout.Read(entry, "base", p)
	return &Base{Reference: n, Digest: digest, Image: kept, Platform: p}, hit, err
}

// pinnedResident looks for the image by its digest first: its name may mean
// another one today.
func pinnedResident(ctx context.Context, env host.Env, at Pinned, dir string) (v1.Image, error) {
	found, err := findResident(ctx, env, at.Name, at.Digest, at.Platform)
	if _, missing := errors.AsType[*hosts.NotFoundError](err); missing {
		found, err = findResident(ctx, env, at.Name, at.Name.Reference, at.Platform)
	}
	if err != nil {
		return nil, err
	}
	img, got, err := found.Open(ctx, dir, env.Blobs())
	if err != nil {
		return nil, err
	}
	if got.String() != at.Digest {
		return nil, changed(got.String(), at.Digest)
	}
	return img, nil
}

func findResident(ctx context.Context, env host.Env, n imagename.Name, reference string, p v1.Platform) (*hosts.Found, error) {
	switch n.Transport {
	case imagename.DockerDaemon:
		return env.Runtimes.FindDocker(ctx, reference, p)
	case imagename.ContainersStorage:
		return env.Runtimes.FindPodman(ctx, reference)
	default:
		return env.Runtimes.FindContainerd(ctx, reference, p)
	}
}

// changed says that a base no longer is what the lock pins.
func changed(got, pinned string) error {
	return fmt.Errorf("it is now %s, but the lock pins %s; restore the old one, or run `sparkwheel lock --upgrade=base`", got, pinned)
}
