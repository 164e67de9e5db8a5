package pipeline

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/builds"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// namedBuild is the stage of a build that makes no wheel by a backend.
type namedBuild struct {
	recipe.Build
	stage *stage.Stage[madeBuild]
	plan  func() (builds.Plan, error)
}

// madeBuild is what a build made and what it was made from.
type madeBuild struct {
	plan builds.Plan
	made *builds.Made
}

// wants says whether a request needs a build: it asks for it or for the image,
// or something that it asks for sees what the build makes.
func (b *build) wants(x recipe.Build) bool {
	if b.Image || b.Wheels == nil || slices.Contains(b.Wheels, x.Name) || x.Installs("build") {
		return true
	}
	for _, w := range b.Recipe.Wheels {
		if _, ok := w.Inputs[x.Name]; ok && slices.Contains(b.Wheels, w.Name) {
			return true
		}
	}
	for _, other := range b.Recipe.Builds {
		if _, ok := other.Inputs[x.Name]; ok && other.Name != x.Name && b.wants(other) {
			return true
		}
	}
	return false
}

// addBuild adds a build after its source's tree, and the installation of the
// packages that it makes; what comes later sees the base with them.
func (b *build) addBuild(x recipe.Build) error {
	tree, err := b.tree(x.Source)
	if err != nil {
		return err
	}
	inputs, needs, err := b.inputs(x.Inputs)
	if err != nil {
		return err
	}
	on := b.on
	plan := func() (builds.Plan, error) { return b.buildPlan(x, on, tree, inputs) }
	s := stage.AddKeyed(b.graph, "build "+x.Name, ahead(b.Env,
		one(func() (host.Entry, error) {
			p, err := plan()
			if err != nil {
				return host.Entry{}, err
			}
			return p.Entry(), nil
		}),
		func() (madeBuild, error) {
			p, err := plan()
			if err != nil {
				return madeBuild{}, err
			}
			made, err := p.Built(b.Env)
			return madeBuild{p, made}, err
		},
	), func(ctx context.Context, run *stage.Run) (madeBuild, error) {
		p, err := plan()
		if err != nil {
			return madeBuild{}, err
		}
		made, err := p.Build(ctx, b.Env, run)
		return madeBuild{p, made}, err
	}, append(needs, tree, on)...)
	b.builds, b.last = append(b.builds, namedBuild{x, s, plan}), append(b.last, s)
	b.pins = append(b.pins, func() ([]index.Pin, error) {
		pins, err := inputPins(inputs)
		return append(pins, packages.AlonePins(b.Env, x.Name, b.Lock)...), err
	})
	if len(x.Install) > 0 && len(x.Debs) > 0 {
		b.addInstalled(x, s, plan)
	}
	return nil
}

// addInstalled adds the installation of a build's packages over the base that
// came before.
func (b *build) addInstalled(x recipe.Build, made *stage.Stage[madeBuild], plan func() (builds.Plan, error)) {
	under := b.on
	built := func() (packages.Built, *base.Base, error) {
		p, err := plan()
		if err != nil {
			return packages.Built{}, nil, err
		}
		on, err := under.Ahead()
		return packages.Built{Name: x.Name, Key: p.Key(), Build: x.Installs("build"), Image: x.Installs("image")}, on, err
	}
	b.on = stage.AddKeyed(b.graph, "packages of "+x.Name, ahead(b.Env, func() ([]host.Entry, error) {
		p, on, err := built()
		if err != nil {
			return nil, err
		}
		return p.Entries(on)
	}, func() (*base.Base, error) {
		p, on, err := built()
		if err != nil {
			return nil, err
		}
		return p.Over(b.Env, on)
	}), func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		p, _, err := built()
		if err != nil {
			return nil, err
		}
		p.Debs = made.Value().made.Locked()
		return p.Install(ctx, b.Env, under.Value(), run)
	}, made, under)
	b.last = append(b.last, b.on)
}

// input is something that a build sees beside its source, as far as it is known.
type input func() (sources.Input, error)

// inputs are what a wheel or a build names among its inputs, in the order of
// their names within files, manifests and builds; needs are the stages that make
// them.
func (b *build) inputs(named map[string]string) (all []input, needs []stage.Need, err error) {
	ready, err := sources.Inputs(b.Recipe, b.Lock, named)
	if err != nil {
		return nil, nil, err
	}
	for _, in := range ready {
		all = append(all, func() (sources.Input, error) { return in, nil })
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		i := slices.IndexFunc(b.builds, func(x namedBuild) bool { return x.Name == name })
		if i < 0 {
			continue
		}
		x := b.builds[i]
		needs = append(needs, x.stage)
		all = append(all, func() (sources.Input, error) {
			p, err := x.plan()
			if err != nil {
				return sources.Input{}, err
			}
			return p.TreeInput(sources.InputTarget(named[name])), nil
		})
	}
	return all, needs, nil
}

func known(inputs []input) (all []sources.Input, err error) {
	for _, in := range inputs {
		i, err := in()
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// inputPins are the files that inputs are made of. The tree of a build is not
// downloaded, and may not be known yet.
func inputPins(inputs []input) (all []index.Pin, err error) {
	for _, in := range inputs {
		i, err := in()
		if _, waiting := errors.AsType[*stage.WaitingError](err); waiting {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, i.Pins...)
	}
	return all, nil
}

// buildPlan is all that a build depends on, as far as it is known: the very same
// before its stages run and after.
func (b *build) buildPlan(x recipe.Build, on *stage.Stage[*base.Base], tree *stage.Stage[*sources.Tree], inputs []input) (p builds.Plan, err error) {
	src, _ := b.Recipe.Source(x.Source)
	locked, _ := b.Lock.Source(x.Source)
	p = builds.Plan{Recipe: x, Source: *src, Locked: *locked, Target: b.target(), Isolation: b.Env.Sandbox, Packages: packages.AlonePins(b.Env, x.Name, b.Lock), Gate: b.earlyGate(x.GPU, "*")}
	root, err := on.Ahead()
	if err != nil {
		return p, err
	}
	p.Base = packages.ForBuild(root, x.Name, b.Lock)
	p.Root = func(ctx context.Context, run *stage.Run) (string, error) {
		return packages.InstallForBuild(ctx, b.Env, on.Value(), x.Name, b.Lock, run)
	}
	if p.Tree, err = tree.Ahead(); err != nil {
		return p, err
	}
	p.Inputs, err = known(inputs)
	return p, err
}

// target is what the recipe's texts may name of the machine that is built for.
func (b *build) target() sources.Target {
	t := sources.Target{GPUArch: b.Recipe.Target.GPUArch}
	if p, err := b.platform(); err == nil {
		t.Machine = host.Machine(p.Architecture)
	}
	return t
}
