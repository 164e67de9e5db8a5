package pipeline

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/inspection"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// judgeGPU holds the GPU code of every wheel and package, built or published,
// against what the recipe requires, and records the
// verdict.
func (b *build) judgeGPU(ctx context.Context, res *Result, run *stage.Run) error {
	if !b.Recipe.Gated() {
		return nil
	}
	all, err := b.binaries(ctx, run)
	if err != nil {
		return fmt.Errorf("judging the GPU code: %w", err)
	}
	judged, err := gate.Check(b.Recipe, b.Lock.Driver, all)
	res.Record.GPU = &judged
	if b.Image && b.Wheels == nil {
		for _, x := range judged.Unused {
			run.Note("gpu.except %q has no effect", x)
		}
	}
	return err
}

// earlyGate is what GPU code is held against while it is compiled, for a wheel's
// distribution or "*" for what has several names. Without a requirement it is
// listed and not judged; without a GPU it is nil. An exception for a part of a
// file passes the whole of it: what is linked tells the parts, and is judged later.
func (b *build) earlyGate(own *recipe.GPU, distribution string) *launcher.Gate {
	gpu, err := cuda.ParseGPU(b.Recipe.Target.GPUArch)
	if err != nil {
		return nil
	}
	early := &launcher.Gate{GPU: gpu.String(), Driver: b.Lock.Driver}
	if own != nil && own.Driver != (cuda.Version{}) {
		early.Driver = own.Driver.String()
	}
	g := b.Recipe.Gate(own)
	if g == nil {
		return early
	}
	early.Require = g.Require.String()
	for _, e := range g.Except {
		if ok, err := path.Match(e.Distribution, distribution); ok && err == nil || distribution == "*" {
			glob, _, _ := strings.Cut(e.Glob, "#")
			early.Except = append(early.Except, glob)
		}
	}
	return early
}

// binaries are what is in all that was built or downloaded, with the table that
// each was built under.
func (b *build) binaries(ctx context.Context, run *stage.Run) (all []gate.Distribution, err error) {
	add := func(own *recipe.GPU, members ...image.Member) error {
		found, err := image.Binaries(ctx, b.Env, members)
		for _, d := range found {
			d.Own = own
			all = append(all, d)
		}
		return err
	}
	for _, s := range b.builds {
		made := s.stage.Value().made
		for _, w := range made.Wheels {
			if err := add(s.GPU, memberOf(w)); err != nil {
				return nil, err
			}
		}
		debs, err := b.debs(ctx, made.Locked(), s.GPU, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, debs...)
	}
	for _, s := range b.wheels {
		if err := add(s.GPU, memberOf(s.stage.Value().wheel)); err != nil {
			return nil, err
		}
	}
	if b.runtime != nil {
		if err := add(nil, image.RuntimeMembers(b.Env, b.Recipe, b.runtime.Value())...); err != nil {
			return nil, err
		}
	}
	if !b.Image {
		return all, nil
	}
	published, err := b.debs(ctx, b.Lock.Packages.For(false), nil, run)
	return append(all, published...), err
}

// debs are what is in packages. With run, those that the store lacks are
// downloaded: the base may have been kept with them installed.
func (b *build) debs(ctx context.Context, debs []recipe.LockedDeb, own *recipe.GPU, run *stage.Run) ([]gate.Distribution, error) {
	all := make([]gate.Distribution, len(debs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(b.Env.Jobs, 1))
	for i, d := range debs {
		g.Go(func() error {
			found, err := gate.Binaries(ctx, b.Env, d.Name, d.SHA256, func() (inspect.Found, error) {
				pins := packages.Pins(b.Env, []recipe.LockedDeb{d})
				if run != nil {
					if _, err := host.Fetch(ctx, b.Env, pins, run); err != nil {
						return inspect.Found{}, err
					}
				}
				return inspection.Deb(ctx, pins[0].Path(b.Env.Blobs()), inspect.Options{})
			})
			all[i] = gate.Distribution{Name: d.Name, Found: found, Own: own}
			return err
		})
	}
	return all, g.Wait()
}

func memberOf(w *wheels.Wheel) image.Member {
	return image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size}
}
