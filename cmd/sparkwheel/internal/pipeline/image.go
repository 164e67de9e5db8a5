// Package pipeline knows the order of the work and nothing else: it lends the
// rooms' functions to stages, and hands what one returns to the next.
package pipeline

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// fetchRuntime brings the runtime set's wheels.
func fetchRuntime(ctx context.Context, env host.Env, b *base.Base, set recipe.LockedSet, run *stage.Run) ([]index.Pin, error) {
	chosen, err := environments.Pins(b, set)
	if err != nil {
		return nil, err
	}
	got, err := host.Fetch(ctx, env, chosen, run)
	if err == nil && got.Received == 0 {
		run.Hit("every wheel is in the store")
	}
	return chosen, err
}

// Result is what a build made.
type Result struct {
	Wheels  []*wheels.Wheel
	Record  *record.Record
	Commits map[string]string // marker file -> text
	// Constraints holds every distribution of the image, and what a shim stands
	// in for, at its version.
	Constraints string
	Replaced    []fit.Replaced // distributions of the base, of an image without a record
	Allowed     []truth.Fault  // faults accepted by name, of an image without a record
	Image       v1.Image       // nil when only wheels were asked for
	Layers      []image.Layer
}

// Build adds the stages that make the lock's wheels and, with image, the image.
// names are the recipe's wheels to make; nil means all. strict judges the image.
func Build(g *stage.Graph, env host.Env, r *recipe.Recipe, l *recipe.Lock, names []string, img bool, strict image.Strictness) (*stage.Stage[*Result], error) {
	env = env.With(r)
	b, err := newBuilding(g, env, r, l)
	if err != nil {
		return nil, err
	}
	needs, err := b.addWheels(g, names)
	if err != nil {
		return nil, err
	}
	if img && l.Runtime != nil {
		b.runtime = stage.Add(g, "runtime", func(ctx context.Context, run *stage.Run) ([]index.Pin, error) {
			return fetchRuntime(ctx, env, b.base.Value(), *l.Runtime, run)
		}, b.base)
		needs = append(needs, b.runtime)
	}
	if img {
		if b.files, err = image.Files(r, l); err != nil {
			return nil, err
		}
		// Read while wheels are built: it is for the image alone.
		needs = append(needs, stage.Add(g, "base's files", func(ctx context.Context, run *stage.Run) (struct{}, error) {
			return struct{}{}, b.base.Value().ReadFiles(ctx, env.Noting(run), run)
		}, b.base))
	}
	if len(b.files) > 0 {
		needs = append(needs, stage.Add(g, "files", func(ctx context.Context, run *stage.Run) (struct{}, error) {
			return struct{}{}, b.fetchFiles(ctx, run)
		}))
	}
	return stage.Add(g, "image", func(ctx context.Context, run *stage.Run) (*Result, error) {
		res := b.result()
		if !img {
			return res, nil
		}
		strict.Complete = strict.Complete || r.Runtime.Complete
		strict.Shadow = r.Image.Shadow
		in, err := b.inspect(res, strict)
		if err != nil {
			return nil, err
		}
		image.NoteVerdict(in.Verdict, run)
		if err := b.judge(strict, res, in, run); err != nil {
			return nil, err
		}
		return res, b.assemble(ctx, res, in.Verdict, run)
	}, needs...), nil
}

// building gathers the stages of one build.
type building struct {
	env    host.Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	base   *stage.Stage[*base.Base]
	uv     *stage.Stage[environments.Tool]
	trees  map[string]*stage.Stage[*sources.Tree]
	wheels []namedWheel
	// runtime is nil when the image holds only the wheels that are built.
	runtime *stage.Stage[[]index.Pin]
	files   []image.File
}

// namedWheel is the stage that makes a wheel.
type namedWheel struct {
	name  string
	stage *stage.Stage[madeWheel]
}

func newBuilding(g *stage.Graph, env host.Env, r *recipe.Recipe, l *recipe.Lock) (*building, error) {
	env = env.With(r)
	platform, err := env.BuildPlatform(r)
	if err != nil {
		return nil, err
	}
	b := &building{env: env, recipe: r, lock: l, trees: map[string]*stage.Stage[*sources.Tree]{}}
	b.base = stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		return packages.Locked(ctx, env, l, platform, run)
	})
	if len(r.Wheels) == 0 {
		return b, nil
	}
	b.uv = stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (environments.Tool, error) {
		return environments.FetchUV(ctx, env, l.UV, platform, run)
	})
	return b, nil
}

// addWheels adds the stages of the wheels named; nil means every one.
func (b *building) addWheels(g *stage.Graph, names []string) ([]stage.Need, error) {
	needs := []stage.Need{b.base}
	for _, w := range b.recipe.Wheels {
		if names != nil && !slices.Contains(names, w.Name) {
			continue
		}
		s, err := b.add(g, w)
		if err != nil {
			return nil, err
		}
		needs = append(needs, s)
	}
	return needs, nil
}

type madeWheel struct {
	plan  wheels.Plan
	wheel *wheels.Wheel
}

func (b *building) tree(g *stage.Graph, name string) (*stage.Stage[*sources.Tree], error) {
	if s, ok := b.trees[name]; ok {
		return s, nil
	}
	src, _ := b.recipe.Source(name)
	locked, ok := b.lock.Source(name)
	if !ok {
		return nil, &host.NotLockedError{What: "source " + name}
	}
	b.trees[name] = stage.Add(g, "source "+name, func(ctx context.Context, run *stage.Run) (*sources.Tree, error) {
		return sources.Checkout(ctx, b.env, *src, *locked, b.recipe.Dir(), run)
	})
	return b.trees[name], nil
}

func (b *building) add(g *stage.Graph, w recipe.Wheel) (stage.Need, error) {
	tree, err := b.tree(g, w.Source)
	if err != nil {
		return nil, err
	}
	src, _ := b.recipe.Source(w.Source)
	locked, _ := b.lock.Source(w.Source)
	set, ok := b.lock.Wheel(w.Name)
	if !ok {
		return nil, &host.NotLockedError{What: "wheel " + w.Name}
	}
	inputs, err := sources.Inputs(b.recipe, b.lock, w)
	if err != nil {
		return nil, err
	}
	needs := []stage.Need{tree, b.base, b.uv}
	contents := addContents(g, b.env, b.recipe, b.lock, w)
	for _, c := range contents {
		needs = append(needs, c)
	}
	s := stage.Add(g, "wheel "+w.Name, func(ctx context.Context, run *stage.Run) (madeWheel, error) {
		all, err := environments.Pins(b.base.Value(), set.LockedSet)
		if err != nil {
			return madeWheel{}, err
		}
		plan := wheels.Plan{
			Recipe: w, Source: *src, Locked: *locked, Tree: tree.Value(), Base: b.base.Value(), UV: b.uv.Value(),
			Pins: all, Inputs: inputs, Isolation: b.env.Sandbox,
		}
		for _, c := range contents {
			plan.Contents = append(plan.Contents, c.Value())
		}
		if err := plan.Settle(); err != nil {
			return madeWheel{}, err
		}
		made, err := plan.Build(ctx, b.env, run)
		return madeWheel{plan, made}, err
	}, needs...)
	b.wheels = append(b.wheels, namedWheel{w.Name, s})
	return s, nil
}

func (b *building) result() *Result {
	res := &Result{Record: record.New(b.recipe, b.lock), Commits: record.Commits(b.recipe, b.lock)}
	res.Record.Cleared = b.base.Value().Cleared
	for _, src := range b.recipe.Sources {
		if s, ok := b.trees[src.Name]; ok {
			locked, _ := b.lock.Source(src.Name)
			res.Record.Sources = append(res.Record.Sources, record.NewSource(src, *locked, s.Value()))
		}
	}
	for _, s := range b.wheels {
		made := s.stage.Value()
		res.Wheels = append(res.Wheels, made.wheel)
		res.Record.Wheels = append(res.Record.Wheels, record.NewWheel(made.plan, made.wheel))
	}
	if b.runtime != nil {
		res.Record.Runtime = record.Pins(b.runtime.Value())
	}
	return res
}
