package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// assemble puts the layers on the base: the packages and the runtime set below,
// since they change least, a layer for each built wheel, and the record on top.
func (b *building) assemble(ctx context.Context, res *Result, v fit.Verdict, run *stage.Run) error {
	base := b.base.Value()
	built, runtime := b.members(res)
	groups, err := image.Group(runtime, image.Budget(b.recipe, image.LayersAbove(len(built), b.files)))
	if err != nil {
		return fmt.Errorf("grouping the runtime's wheels: %w", err)
	}
	if res.Layers, err = image.WriteWhiteouts(ctx, b.env, base, v); err != nil {
		return err
	}
	below := image.Beneath(base, v)
	published, err := image.Write(ctx, b.env, image.IndexScheme(base, b.recipe), below, groups, run)
	if err != nil {
		return err
	}
	res.Layers = append(res.Layers, published...)
	layers, err := image.Write(ctx, b.env, image.Scheme(base, b.recipe), below, image.Alone(built), run)
	if err != nil {
		return err
	}
	text, err := res.Record.JSON()
	if err != nil {
		return err
	}
	notes := image.Notes{Record: text, Constraints: res.Constraints, Commits: res.Commits}
	files, err := image.WriteFiles(ctx, b.env, base, b.files)
	if err != nil {
		return err
	}
	if files != nil {
		layers = append(layers, image.Layer{Blob: files})
	}
	record, err := image.WriteNotes(ctx, b.env, base.Shape, notes)
	if err != nil {
		return err
	}
	res.Layers = append(append(res.Layers, layers...), image.Layer{Blob: record})
	if base.Packages != nil {
		res.Layers = append([]image.Layer{{Blob: base.Packages}}, res.Layers...)
	}
	res.Image, err = layer.Append(base.Image, image.Config(b.recipe, b.lock), image.Blobs(res.Layers)...)
	if err != nil {
		return fmt.Errorf("assembling the image: %w", err)
	}
	digest, err := res.Image.Digest()
	if err != nil {
		return err
	}
	host.Logf(run, "image %s: %d layers on base %s", digest, len(res.Layers), b.lock.Base.Digest)
	return nil
}

// members are the wheels of the image: those built, and those of the runtime set.
func (b *building) members(res *Result) (built, runtime []image.Member) {
	for _, w := range res.Wheels {
		built = append(built, image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size})
	}
	if b.runtime != nil {
		runtime = image.RuntimeMembers(b.env, b.recipe, b.runtime.Value())
	}
	return built, runtime
}

// inspect opens every wheel of the image once, before a layer of any is written.
func (b *building) inspect(res *Result, strict image.Strictness) (image.Inspected, error) {
	built, runtime := b.members(res)
	base := b.base.Value()
	return image.Inspect(b.env, base, image.Scheme(base, b.recipe), append(built, runtime...), strict)
}

// judge looks at the whole image, whose wheels are given, before any of its
// layers is written.
func (b *building) judge(strict image.Strictness, res *Result, in image.Inspected, run *stage.Run) error {
	held := slices.Clone(in.Wheels)
	for _, s := range b.wheels {
		for _, shim := range s.stage.Value().plan.Recipe.Shims {
			v, err := version.Parse(shim.Version)
			if err != nil {
				return fmt.Errorf("shim %s: %w", shim.Name, err)
			}
			held = append(held, truth.Distribution{Name: requirements.Normalize(shim.Name), Version: v})
		}
	}
	res.Constraints = truth.Constraints(held)
	j, err := strict.Judge(b.base.Value(), in, run)
	res.Record.Replaced = in.Verdict.Replaced
	res.Record.Allowed, res.Record.Missing = j.Allowed, image.Distributions(j.Warnings)
	return err
}
