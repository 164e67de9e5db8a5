package pipeline

import (
	"context"
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/inspection"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// judgeGPU holds the GPU code of every wheel, built or published, and of every
// package that a build made, against what the recipe requires, and records the
// verdict.
func (b *build) judgeGPU(ctx context.Context, res *Result, run *stage.Run) error {
	if !b.Recipe.Gated() {
		return nil
	}
	all, err := b.binaries(ctx)
	if err != nil {
		return fmt.Errorf("judging the GPU code: %w", err)
	}
	judged, err := gate.Check(b.Recipe, b.Lock.Driver, all)
	res.Record.GPU = &judged
	if b.Image && b.Wheels == nil {
		for _, x := range judged.Unused {
			run.Note("gpu.except %q excuses nothing", x)
		}
	}
	return err
}

// binaries are what is in all that was built or downloaded, with the table that
// each was built under.
func (b *build) binaries(ctx context.Context) (all []gate.Distribution, err error) {
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
		for _, d := range made.Debs {
			found, err := gate.Binaries(ctx, b.Env, d.Name, d.SHA256, func() (inspect.Found, error) {
				return inspection.Deb(ctx, index.Pin{SHA256: d.SHA256}.Path(b.Env.Blobs()), inspect.Options{})
			})
			if err != nil {
				return nil, err
			}
			all = append(all, gate.Distribution{Name: d.Name, Found: found, Own: s.GPU})
		}
	}
	for _, s := range b.wheels {
		if err := add(s.GPU, memberOf(s.stage.Value().wheel)); err != nil {
			return nil, err
		}
	}
	if b.runtime != nil {
		err = add(nil, image.RuntimeMembers(b.Env, b.Recipe, b.runtime.Value())...)
	}
	return all, err
}

func memberOf(w *wheels.Wheel) image.Member {
	return image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size}
}
