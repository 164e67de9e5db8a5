package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// addBaseFiles adds the reading of what the base has: of an image alone, and
// while wheels are built.
func (b *build) addBaseFiles() {
	kept := func() ([]host.Entry, error) {
		on, err := b.on.Ahead()
		if err != nil {
			return nil, err
		}
		return on.ListEntries()
	}
	b.filed = stage.AddKeyed(b.graph, "base's files", ahead(b.Env, kept, func() (*base.Base, error) {
		on, err := b.on.Ahead()
		if err != nil {
			return nil, err
		}
		filed := *on
		return &filed, filed.KeptFiles(b.Env)
	}), func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		filed := *b.on.Value()
		return &filed, filed.ReadFiles(ctx, b.Env.Noting(run), run)
	}, b.on)
	b.last = append(b.last, b.filed)
}

// addRecord adds the stage that says what was made and, of an image, judges
// whether all that goes into it fits together.
func (b *build) addRecord() *stage.Stage[*Result] {
	foresee := func() (*Result, error) {
		if !b.Image {
			return new(Result), nil
		}
		img, err := b.contents()
		if err != nil {
			return nil, err
		}
		verdict, err := img.Foresee(b.Env)
		return &Result{verdict: verdict}, err
	}
	return stage.AddKeyed(b.graph, "record", stage.Ahead[*Result]{Value: foresee}, func(ctx context.Context, run *stage.Run) (*Result, error) {
		res, err := b.result()
		if err != nil {
			return nil, err
		}
		if err := b.judgeGPU(ctx, res, run); err != nil || !b.Image {
			return res, err
		}
		img, err := b.contents()
		if err != nil {
			return nil, err
		}
		in, err := img.Inspect(b.Env)
		if err != nil {
			return nil, err
		}
		image.NoteVerdict(in.Verdict, run)
		res.verdict = in.Verdict
		return res, b.judge(res, img, in, run)
	}, b.last...)
}

func (b *build) result() (*Result, error) {
	res := &Result{Record: record.New(b.Recipe, b.Lock), Commits: record.Commits(b.Recipe, b.Lock)}
	res.Record.Cleared = b.on.Value().Cleared
	for _, src := range b.Recipe.Sources {
		if s, ok := b.trees[src.Name]; ok {
			locked, _ := b.Lock.Source(src.Name)
			res.Record.Sources = append(res.Record.Sources, record.NewSource(src, *locked, s.Value()))
		}
	}
	for _, s := range b.builds {
		made := s.stage.Value()
		res.Record.Builds = append(res.Record.Builds, record.NewBuild(made.plan, made.made))
		res.Wheels, res.Debs = append(res.Wheels, made.made.Wheels...), append(res.Debs, made.made.Debs...)
	}
	for _, s := range b.wheels {
		made := s.stage.Value()
		res.Wheels = append(res.Wheels, made.wheel)
		res.Record.Wheels = append(res.Record.Wheels, record.NewWheel(made.plan, made.wheel))
	}
	if b.runtime != nil {
		res.Record.Runtime = record.Pins(b.runtime.Value())
	}
	if b.stand != nil {
		provided, err := b.provided()
		if err != nil {
			return nil, err
		}
		for _, p := range provided {
			res.Record.Provided = append(res.Record.Provided, record.Provided(p))
		}
	}
	return res, nil
}

// judge looks at the whole image before any of its layers is written.
func (b *build) judge(res *Result, img image.Image, in image.Inspected, run *stage.Run) error {
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
	for _, note := range gate.Mixed(held, b.Recipe.Target.CUDA) {
		run.Note("%s", note)
	}
	j, err := img.Strict.Judge(img.Base, in, run)
	res.Record.Replaced = in.Verdict.Replaced
	res.Record.Allowed, res.Record.Missing = j.Allowed, image.Distributions(j.Warnings)
	return err
}
