// Package builds owns what a recipe builds without a PEP 517 backend: the key of
// all that one build depends on, its steps in the sandbox, and the packages,
// files, trees and wheels that they leave.
package builds

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Plan is everything that one build depends on.
type Plan struct {
	Recipe recipe.Build
	Source recipe.Source
	Locked recipe.LockedSource
	Target sources.Target
	Tree   *sources.Tree
	Base   *base.Base // its BuildDigest covers the build's own packages
	// Root installs the build's own packages, or finds them installed, and says
	// where they are: it is asked when the build has to run.
	Root   func(ctx context.Context, run *stage.Run) (string, error)
	Inputs []sources.Input
	// Isolation is the sandbox's mode.
	Isolation sandbox.Mode
	// Gate judges GPU code while it is compiled; it is no input of the build.
	Gate *launcher.Gate
	// Packages are the debs that this build alone needs in the store.
	Packages []index.Pin
}

// Key is the key of Entry.
func (p Plan) Key() store.Key { return p.Entry().Key }

// Entry is what the build makes, in the store, under a key that covers every
// input of the build by content.
func (p Plan) Entry() host.Entry {
	h := store.NewHash("build "+p.Recipe.Name).Field("form", "2").Field("sandbox", sandbox.Version).Field("isolation", string(p.Isolation))
	h = h.Field("tree", p.Tree.Key).Field("files", host.JSON(sources.Files(p.Source, p.Locked, p.Target))).Field("base", p.Base.BuildDigest)
	what := p.Recipe
	what.Install = nil // where the packages go is not what they are
	h = h.Field("build", host.JSON(what)).Field("environment", host.JSON(p.Environment())).Field("steps", host.JSON(p.Steps()))
	h = h.Field("epoch", p.Locked.Time.UTC().Format("2006-01-02T15:04:05Z"))
	for _, in := range p.Inputs {
		h = h.Field("input "+in.Name, in.Digest)
	}
	return host.Entry{Name: "build " + p.Recipe.Name, Kind: store.Stage, Key: h.Key(), Pins: p.Needed()}
}

// Needed are the files that the build needs in the store.
func (p Plan) Needed() []index.Pin {
	all := slices.Clone(p.Packages)
	for _, in := range p.Inputs {
		all = append(all, in.Pins...)
	}
	return all
}

// Environment is what the build's environment has beside the builder's own and
// the base's, as "NAME=value", sorted.
func (p Plan) Environment() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(p.Recipe.Environment)) {
		out = append(out, k+"="+recipe.Expand(p.Recipe.Environment[k], sources.Values(p.Locked, p.Target)))
	}
	return out
}

// Steps are the commands with all but the number of jobs filled in.
func (p Plan) Steps() [][]string {
	var steps [][]string
	for _, step := range p.Recipe.Steps {
		line := make([]string, len(step))
		for i, word := range step {
			line[i] = recipe.Expand(word, sources.Values(p.Locked, p.Target))
		}
		steps = append(steps, line)
	}
	return steps
}

// outputs are what the builder takes, in the order in which read expects them.
func (p Plan) outputs() []builder.Output {
	var all []builder.Output
	for _, glob := range p.Recipe.Debs {
		all = append(all, builder.Output{Glob: glob})
	}
	for _, to := range slices.Sorted(maps.Keys(p.Recipe.Files)) {
		all = append(all, builder.Output{Glob: p.Recipe.Files[to]})
	}
	for _, glob := range p.Recipe.Wheels {
		all = append(all, builder.Output{Glob: glob, Many: true})
	}
	if p.Recipe.Tree != "" {
		all = append(all, builder.Output{Glob: p.Recipe.Tree, Tree: true})
	}
	return all
}

func (p Plan) spec(ctx context.Context, env host.Env) (builder.Spec, error) {
	variables, err := p.Base.Environment(p.Environment())
	if err != nil {
		return builder.Spec{}, fmt.Errorf("reading the environment of base %s: %w", p.Base.Reference, err)
	}
	spec := builder.Spec{
		Source: p.Tree.Dir, Subdir: p.Recipe.Subdirectory, Files: sources.Files(p.Source, p.Locked, p.Target), Distribution: p.Recipe.Name,
		Steps: p.Steps(), Env: variables, Epoch: p.Locked.Time,
		Jobs: env.Jobs, MemoryPerJob: p.Recipe.MemoryPerJob, CPUs: p.Recipe.CPUs,
		Launcher: env.Launcher, CCache: env.Store.Path("ccache"),
	}
	if env.Launcher != "" {
		spec.Gate = p.Gate
	}
	spec.Mounts, err = sources.Mounts(ctx, env, p.Inputs)
	return spec, err
}

// TreeInput shows the build's tree to another one, at a place inside its sandbox.
func (p Plan) TreeInput(target string) sources.Input {
	entry, at := p.Entry(), len(p.outputs())-1
	return sources.Input{Name: p.Recipe.Name, Target: target, Digest: entry.Key.String(), Place: func(_ context.Context, env host.Env) (string, error) {
		return only(env.Place(entry), at)
	}}
}
