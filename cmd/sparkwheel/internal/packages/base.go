// Package packages owns what apt and dpkg add to a base: the pinning of debs by
// the base's own apt, and their installation as a layer.
package packages

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
)

// install adds the locked packages to b, an unpacked base, in place: the image's become a
// layer, and builds see those for builds alone beside them.
func install(ctx context.Context, env host.Env, b *base.Base, l *recipe.LockedPackages, run *stage.Run) (err error) {
	sets := Sets(b.Digest, l)
	image := installation{env: env, set: sets[0], image: b.Image, architecture: b.Platform.Architecture, root: b.Root}
	blob, root, err := image.do(ctx, run)
	if err != nil {
		return fmt.Errorf("installing the image's packages: %w", err)
	}
	b.Root, b.Packages = root, nil
	if blob != nil {
		b.Packages = []*layer.Blob{blob}
	}
	below, err := b.WithPackages()
	if err != nil {
		return err
	}
	build := installation{env: env, set: sets[1], image: below, architecture: b.Platform.Architecture, root: b.Root}
	if _, b.BuildRoot, err = build.do(ctx, run); err != nil {
		return fmt.Errorf("installing packages for builds: %w", err)
	}
	if b.Shape, err = base.ReadShape(filepath.Dir(b.Root)); err != nil {
		return err
	}
	b.Digest, b.BuildDigest, b.Cleared = sets[0].Digest, sets[1].Digest, image.cleared
	return nil
}

// Locked is the base that a lock pins, with its packages.
func Locked(ctx context.Context, env host.Env, l *recipe.Lock, p v1.Platform, run *stage.Run) (*base.Base, error) {
	b, err := base.Unpacked(ctx, env, base.Pinned{Name: l.Base.Reference, Digest: l.Base.Digest, Platform: p}, run)
	if err != nil {
		return nil, err
	}
	return Complete(ctx, env, b, l.Packages, run)
}

// Complete is the base with packages, and what its interpreter says.
func Complete(ctx context.Context, env host.Env, b *base.Base, l *recipe.LockedPackages, run *stage.Run) (*base.Base, error) {
	env = env.Noting(run)
	c := *b
	if err := install(ctx, env, &c, l, run); err != nil {
		return nil, err
	}
	var err error
	c.Python, err = c.AskPython(ctx, env, run)
	return &c, err
}
