package pipeline

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Result is what a build made.
type Result struct {
	Wheels  []*Wheel
	Record  *Record
	Commits map[string]string // marker file -> text
	// Constraints holds every distribution of the image, and what a shim stands
	// in for, at its version.
	Constraints string
	Allowed     []truth.Fault // faults accepted by name, of an image without a record
	Image       v1.Image      // nil when only wheels were asked for
	Layers      []Layer
}

// Layer is a layer of the image that this build made.
type Layer struct {
	Blob   *layer.Blob
	Wheels []string
}

// Build adds the stages that make the lock's wheels and, with image, the image.
// names are the recipe's wheels to make; nil means all. strict judges the image.
func Build(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock, names []string, image bool, strict Strictness) (*stage.Stage[*Result], error) {
	env = env.with(r)
	b, err := newBuilding(g, env, r, l)
	if err != nil {
		return nil, err
	}
	needs, err := b.addWheels(g, names)
	if err != nil {
		return nil, err
	}
	if image && l.Runtime != nil {
		b.runtime = stage.Add(g, "runtime", func(ctx context.Context, run *stage.Run) ([]index.Pin, error) {
			return fetchRuntime(ctx, env, b.base.Value(), *l.Runtime, run)
		}, b.base)
		needs = append(needs, b.runtime)
	}
	if image {
		if b.files, err = imageFiles(r, l); err != nil {
			return nil, err
		}
	}
	if len(b.files) > 0 {
		needs = append(needs, stage.Add(g, "files", func(ctx context.Context, run *stage.Run) (struct{}, error) {
			return struct{}{}, b.fetchFiles(ctx, run)
		}))
	}
	return stage.Add(g, "image", func(ctx context.Context, run *stage.Run) (*Result, error) {
		res := b.result()
		if !image {
			return res, nil
		}
		found, err := b.inspect(res)
		if err != nil {
			return nil, err
		}
		if err := b.judge(strict, res, found, run); err != nil {
			return nil, err
		}
		return res, b.assemble(ctx, res, run)
	}, needs...), nil
}

// building gathers the stages of one build.
type building struct {
	env    Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	base   *stage.Stage[*Base]
	uv     *stage.Stage[Tool]
	trees  map[string]*stage.Stage[*Tree]
	wheels []namedWheel
	// runtime is nil when the image holds only the wheels that are built.
	runtime *stage.Stage[[]index.Pin]
	files   []imageFile
}

// namedWheel is the stage that makes a wheel.
type namedWheel struct {
	name  string
	stage *stage.Stage[madeWheel]
}

func newBuilding(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock) (*building, error) {
	env = env.with(r)
	platform, err := env.buildPlatform(r)
	if err != nil {
		return nil, err
	}
	b := &building{env: env, recipe: r, lock: l, trees: map[string]*stage.Stage[*Tree]{}}
	b.base = stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return lockedBase(ctx, env, l, platform, run)
	})
	if len(r.Wheels) == 0 {
		return b, nil
	}
	b.uv = stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (Tool, error) {
		return fetchUV(ctx, env, l.UV, platform, run)
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
	plan  buildPlan
	wheel *Wheel
}

func (b *building) tree(g *stage.Graph, name string) (*stage.Stage[*Tree], error) {
	if s, ok := b.trees[name]; ok {
		return s, nil
	}
	src, _ := b.recipe.Source(name)
	locked, ok := b.lock.Source(name)
	if !ok {
		return nil, &NotLockedError{"source " + name}
	}
	b.trees[name] = stage.Add(g, "source "+name, func(ctx context.Context, run *stage.Run) (*Tree, error) {
		return lockedSource(ctx, b.env, *src, *locked, b.recipe.Dir(), run)
	})
	return b.trees[name], nil
}

// NotLockedError names something that the recipe asks for and the lock lacks.
type NotLockedError struct{ What string }

func (e *NotLockedError) Error() string {
	return "the lock does not hold " + e.What + "; run `sparkwheel lock`"
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
		return nil, &NotLockedError{"wheel " + w.Name}
	}
	inputs, err := inputsOf(b.recipe, b.lock, w)
	if err != nil {
		return nil, err
	}
	needs := []stage.Need{tree, b.base, b.uv}
	contents := addContents(g, b.env, b.recipe, b.lock, w)
	for _, c := range contents {
		needs = append(needs, c)
	}
	s := stage.Add(g, "wheel "+w.Name, func(ctx context.Context, run *stage.Run) (madeWheel, error) {
		all, err := pins(b.base.Value(), set.LockedSet)
		if err != nil {
			return madeWheel{}, err
		}
		plan := buildPlan{
			recipe: w, source: *src, locked: *locked, tree: tree.Value(), base: b.base.Value(), uv: b.uv.Value(),
			pins: all, inputs: inputs, isolation: b.env.Sandbox,
		}
		for _, c := range contents {
			plan.contents = append(plan.contents, c.Value())
		}
		if err := plan.settle(); err != nil {
			return madeWheel{}, err
		}
		made, err := plan.build(ctx, b.env, run)
		return madeWheel{plan, made}, err
	}, needs...)
	b.wheels = append(b.wheels, namedWheel{w.Name, s})
	return s, nil
}

func (b *building) result() *Result {
	res := &Result{Record: newRecord(b.recipe, b.lock), Commits: Commits(b.recipe, b.lock)}
	res.Record.Cleared = b.base.Value().Cleared
	for _, src := range b.recipe.Sources {
		if s, ok := b.trees[src.Name]; ok {
			locked, _ := b.lock.Source(src.Name)
			res.Record.Sources = append(res.Record.Sources, recordSource(src, *locked, s.Value()))
		}
	}
	for _, s := range b.wheels {
		made := s.stage.Value()
		res.Wheels = append(res.Wheels, made.wheel)
		res.Record.Wheels = append(res.Record.Wheels, recordWheel(made.plan, made.wheel))
	}
	if b.runtime != nil {
		res.Record.Runtime = recordPins(b.runtime.Value())
	}
	return res
}
