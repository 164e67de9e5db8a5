package pipeline

import (
	"context"
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// judgeGPU holds the GPU code of every wheel, built or published, against what
// the recipe requires, and records the verdict.
func (b *build) judgeGPU(ctx context.Context, res *Result, run *stage.Run) error {
	if !b.Recipe.Gated() {
		return nil
	}
	var members []image.Member
	for _, w := range res.Wheels {
		members = append(members, image.Member{File: w.File, Path: w.Path, SHA256: w.SHA256, Size: w.Size})
	}
	if b.runtime != nil {
		members = append(members, image.RuntimeMembers(b.Env, b.Recipe, b.runtime.Value())...)
	}
	all, err := image.Binaries(ctx, b.Env, members)
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
