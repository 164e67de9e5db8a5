package pipeline

import (
	"context"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// addBase adds the base with the recipe's packages.
func (b *build) addBase(needs ...stage.Need) {
	b.base = stage.AddKeyed(b.graph, "base", ahead(b.Env,
		func() ([]host.Entry, error) { return packages.Entries(b.Env, b.Lock) },
		func() (*base.Base, error) { return packages.Kept(b.Env, b.Lock) },
	), func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		platform, err := b.platform()
		if err != nil {
			return nil, err
		}
		return packages.Locked(ctx, b.Env, b.Lock, platform, run)
	}, needs...)
	b.on = b.base
	b.fetched, b.last = append(b.fetched, b.base), append(b.last, b.base)
}

// addUV adds the program that makes wheels' environments.
func (b *build) addUV() {
	find := func() (environments.Tool, host.Entry, error) {
		platform, err := b.platform()
		if err != nil {
			return environments.Tool{}, host.Entry{}, err
		}
		return environments.UV(b.Env, b.Lock.UV, platform)
	}
	b.uv = stage.AddKeyed(b.graph, "uv", ahead(b.Env,
		one(func() (host.Entry, error) { _, entry, err := find(); return entry, err }),
		func() (environments.Tool, error) { tool, _, err := find(); return tool, err },
	), func(ctx context.Context, run *stage.Run) (environments.Tool, error) {
		platform, err := b.platform()
		if err != nil {
			return environments.Tool{}, err
		}
		return environments.FetchUV(ctx, b.Env, b.Lock.UV, platform, run)
	})
}

// tree is the stage of a source's tree, added when it is first asked for.
func (b *build) tree(name string) (*stage.Stage[*sources.Tree], error) {
	if s, ok := b.trees[name]; ok {
		return s, nil
	}
	src, _ := b.Recipe.Source(name)
	locked, ok := b.Lock.Source(name)
	if !ok {
		return nil, &host.NotLockedError{What: "source " + name}
	}
	b.trees[name] = b.addTree("source "+name, sources.Locked(*src, *locked, b.Recipe.Dir()))
	return b.trees[name], nil
}

func (b *build) addTree(name string, at sources.At) *stage.Stage[*sources.Tree] {
	s := stage.AddKeyed(b.graph, name, ahead(b.Env,
		one(func() (host.Entry, error) { return at.Entry(name) }),
		func() (*sources.Tree, error) { return at.Tree(b.Env) },
	), func(ctx context.Context, run *stage.Run) (*sources.Tree, error) {
		return sources.Checkout(ctx, b.Env, at, run)
	})
	b.fetched = append(b.fetched, s)
	return s
}

// content is a stage that prepares what a wheel's CMake files would fetch.
type content struct {
	locked recipe.LockedContent
	tree   *stage.Stage[*sources.Tree]
}

// addContents adds a stage for each of a wheel's contents.
func (b *build) addContents(w recipe.Wheel) (all []content) {
	for _, c := range sources.LockedContents(w, b.Lock, b.Recipe.Dir()) {
		all = append(all, content{c.LockedContent, b.addTree(c.Name+" for "+w.Name, c.Source)})
	}
	return all
}

// addWheel adds a wheel, after its source's tree and contents.
func (b *build) addWheel(w recipe.Wheel) error {
	tree, err := b.tree(w.Source)
	if err != nil {
		return err
	}
	set, ok := b.Lock.Wheel(w.Name)
	if !ok {
		return &host.NotLockedError{What: "wheel " + w.Name}
	}
	inputs, needs, err := b.inputs(w.Inputs)
	if err != nil {
		return err
	}
	contents := b.addContents(w)
	needs = append(needs, tree, b.on, b.uv)
	for _, c := range contents {
		needs = append(needs, c.tree)
	}
	before := b.sharing(w)
	for _, other := range before {
		needs = append(needs, other.stage)
	}
	plan := func() (wheels.Plan, error) { return b.wheelPlan(w, set.LockedSet, tree, inputs, contents) }
	s := stage.AddKeyed(b.graph, "wheel "+w.Name, b.wheelAhead(plan), func(ctx context.Context, run *stage.Run) (madeWheel, error) {
		p, err := plan()
		if err != nil {
			return madeWheel{}, err
		}
		return b.makeWheel(ctx, p, before, run)
	}, needs...)
	b.wheels, b.last = append(b.wheels, namedWheel{w, s}), append(b.last, s)
	b.pins = append(b.pins, func() ([]index.Pin, error) {
		on, err := b.base.Ahead()
		if err != nil {
			return nil, err
		}
		pins, err := environments.Pins(on, set.LockedSet)
		if err != nil {
			return nil, err
		}
		more, err := inputPins(inputs)
		return append(pins, more...), err
	})
	return nil
}

// wheelAhead is what a wheel's stage says before it runs.
func (b *build) wheelAhead(plan func() (wheels.Plan, error)) stage.Ahead[madeWheel] {
	entry := func() (host.Entry, error) {
		p, err := plan()
		if err != nil {
			return host.Entry{}, err
		}
		return p.Entry(), nil
	}
	return ahead(b.Env, one(entry), func() (madeWheel, error) {
		p, err := plan()
		if err != nil {
			return madeWheel{}, err
		}
		made, err := p.Built(b.Env)
		return madeWheel{p, made}, err
	})
}

// makeWheel builds a wheel whose version agrees with those that were built before
// it and have to share it.
func (b *build) makeWheel(ctx context.Context, p wheels.Plan, before []namedWheel, run *stage.Run) (madeWheel, error) {
	if err := b.checkBefore(p.Recipe, before); err != nil {
		return madeWheel{}, err
	}
	if err := b.checkABI(p.Recipe, p.Pins); err != nil {
		return madeWheel{}, err
	}
	p.Agree = func(v version.Version) error {
		return b.checkVersion(Versioned{p.Recipe.Name, v, "as its backend says"}, before)
	}
	w, err := p.Build(ctx, b.Env, run)
	if err != nil {
		return madeWheel{}, err
	}
	made := madeWheel{p, w}
	return made, b.checkAfter(made, before)
}

// wheelPlan is all that a wheel's build depends on, as far as it is known: the
// very same before its stages run and after.
func (b *build) wheelPlan(w recipe.Wheel, set recipe.LockedSet, tree *stage.Stage[*sources.Tree], inputs []input, contents []content) (p wheels.Plan, err error) {
	src, _ := b.Recipe.Source(w.Source)
	locked, _ := b.Lock.Source(w.Source)
	p = wheels.Plan{Recipe: w, Source: *src, Locked: *locked, Target: b.target(), Isolation: b.Env.Sandbox, Gate: b.earlyGate(w.GPU, w.Distribution)}
	if p.Inputs, err = known(inputs); err != nil {
		return p, err
	}
	if p.Base, err = b.on.Ahead(); err != nil {
		return p, err
	}
	if p.UV, err = b.uv.Ahead(); err != nil {
		return p, err
	}
	if p.Tree, err = tree.Ahead(); err != nil {
		return p, err
	}
	for _, c := range contents {
		t, err := c.tree.Ahead()
		if err != nil {
			return p, err
		}
		p.Contents = append(p.Contents, sources.Content{Locked: c.locked, Tree: t})
	}
	if p.Pins, err = environments.Pins(p.Base, set); err != nil {
		return p, err
	}
	return p, p.Settle()
}
