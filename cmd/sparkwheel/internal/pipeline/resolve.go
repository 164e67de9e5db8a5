package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Upgrade says what of an earlier lock is asked for anew.
type Upgrade struct {
	All   bool
	Names []string // sources, wheels, packages, base, uv, runtime
	// Compare asks what is not asked for anew too, and notes where its refs mean
	// something else now than what is kept.
	Compare bool
}

func (u Upgrade) has(name string) bool { return u.All || slices.Contains(u.Names, name) }

// resolving is one making of a lock: what the recipe asks now, and what an
// earlier lock said, which holds wherever the recipe still asks the same.
type resolving struct {
	env     host.Env
	recipe  *recipe.Recipe
	before  *recipe.Lock
	upgrade Upgrade
	machine string // of the platform, as CMake calls it

	bare    *stage.Stage[*base.Base] // without packages
	base    *stage.Stage[*base.Base]
	debs    *stage.Stage[*recipe.LockedPackages] // nil when the recipe adds none
	uv      *stage.Stage[environments.Tool]
	sources map[string]*stage.Stage[sources.Resolved]
}

// Resolve adds the stages that ask what every name in the recipe means today.
// The last one's value is the lock; running them needs the network. Of before,
// which may be nil, all that the recipe still asks for is kept unless upgrade
// names it.
func Resolve(g *stage.Graph, req Request, before *recipe.Lock, upgrade Upgrade) (*stage.Stage[*recipe.Lock], error) {
	platform, err := req.Env.Platform(req.Recipe.Target.Platform)
	if err != nil {
		return nil, err
	}
	if before == nil {
		before = &recipe.Lock{}
	}
	s := &resolving{
		env: req.Env.With(req.Recipe), recipe: req.Recipe, before: before, upgrade: upgrade,
		sources: map[string]*stage.Stage[sources.Resolved]{}, machine: host.Machine(platform.Architecture),
	}
	s.addBase(g, platform)
	uv := stage.Add(g, "uv pins", func(ctx context.Context, _ *stage.Run) ([]recipe.LockedUV, error) {
		return s.lockUV(ctx)
	})
	s.uv = stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (environments.Tool, error) {
		return environments.FetchUV(ctx, s.env, uv.Value(), s.env.Host, run)
	}, uv)
	needs := []stage.Need{s.base, uv}
	for _, src := range s.recipe.Sources {
		s.sources[src.Name] = stage.Add(g, "source "+src.Name, func(ctx context.Context, run *stage.Run) (sources.Resolved, error) {
			return s.source(ctx, src, run)
		})
		needs = append(needs, s.sources[src.Name])
	}
	files, manifests, sets, contents := s.addFiles(g), s.addManifests(g), s.addSets(g), s.addContents(g)
	needs = slices.Concat(needs, all(files), all(manifests), all(sets), all(contents))
	return stage.Add(g, "lock", func(ctx context.Context, _ *stage.Run) (*recipe.Lock, error) {
		l := s.lock(platform, uv.Value(), sets)
		for _, file := range files {
			l.Files = append(l.Files, file.Value())
		}
		for _, c := range contents {
			found := c.Value()
			w, _ := l.Wheel(found.wheel)
			w.FetchContent = found.contents
		}
		for _, m := range manifests {
			l.Manifests = append(l.Manifests, m.Value())
		}
		if err := agree(s.recipe, statedVersions(s.recipe, l, sources.Target{Machine: s.machine, GPUArch: s.recipe.Target.GPUArch})); err != nil {
			return nil, err
		}
		l.Indexes, err = environments.CameFrom(ctx, s.env, s.recipe, l.Sets())
		return l, err
	}, needs...), nil
}

// all are stages as what another one needs.
func all[T any](stages []*stage.Stage[T]) (needs []stage.Need) {
	for _, s := range stages {
		needs = append(needs, s)
	}
	return needs
}

// addBase adds the stages of the base and of its packages.
func (s *resolving) addBase(g *stage.Graph, platform v1.Platform) {
	s.bare = stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		b, err := s.pinBase(ctx, platform, run)
		if err != nil || !s.recipe.Packages.Empty() {
			return b, err
		}
		return packages.Complete(ctx, s.env, b, nil, run)
	})
	s.base = s.bare
	if s.recipe.Packages.Empty() {
		return
	}
	s.debs = stage.Add(g, "packages", func(ctx context.Context, run *stage.Run) (*recipe.LockedPackages, error) {
		return s.packages(ctx, s.bare.Value(), run)
	}, s.bare)
	s.base = stage.Add(g, "base with packages", func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		return packages.Complete(ctx, s.env, s.bare.Value(), s.debs.Value(), run)
	}, s.debs)
}

// namedSet is an environment under the name of its wheel, or "runtime".
type namedSet struct {
	name string
	set  recipe.LockedSet
}

func (s *resolving) addSets(g *stage.Graph) []*stage.Stage[namedSet] {
	var sets []*stage.Stage[namedSet]
	runtime := s.addRuntime(g)
	var also []stage.Need
	if runtime != nil {
		also = append(also, runtime)
	}
	for _, w := range s.recipe.Wheels {
		if w.Missing != "" {
			continue // it is not built
		}
		src := s.sources[w.Source]
		sets = append(sets, stage.Add(g, "requirements of "+w.Name, func(ctx context.Context, run *stage.Run) (namedSet, error) {
			q, err := environments.BuildQuestion(w, src.Value().Tree)
			if err != nil {
				return namedSet{}, err
			}
			return s.buildSet(ctx, q, runtime, run)
		}, append(slices.Clone(also), src, s.base, s.uv)...))
	}
	if runtime != nil {
		sets = append(sets, runtime)
	}
	return sets
}

// addRuntime adds the runtime's environment, nil where the recipe has none.
func (s *resolving) addRuntime(g *stage.Graph) *stage.Stage[namedSet] {
	if s.recipe.Runtime.Empty() {
		return nil
	}
	needs := []stage.Need{s.base, s.uv}
	for _, name := range slices.Sorted(maps.Keys(s.recipe.Runtime.Files)) {
		needs = append(needs, s.sources[name])
	}
	return stage.Add(g, "runtime", func(ctx context.Context, run *stage.Run) (namedSet, error) {
		return s.set(ctx, s.runtimeQuestion(), run)
	}, needs...)
}

func (s *resolving) runtimeQuestion() environments.Question {
	rt := s.recipe.Runtime
	q := environments.Question{Name: runtimeName, Requirements: rt.Requires, Overrides: rt.Overrides, Excludes: rt.Excludes, Trees: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(rt.Files)) {
		q.Trees[name] = s.sources[name].Value().Tree.Dir
		for _, f := range rt.Files[name] {
			q.Requirements = append(q.Requirements, "-r /build/trees/"+name+"/"+f)
		}
	}
	// What is built here is not looked for on the index.
	for _, w := range s.recipe.Wheels {
		q.Excludes = append(q.Excludes, w.Distribution)
	}
	return q
}

const runtimeName = "runtime"

func (s *resolving) pinnedBase() string {
	if s.upgrade.has("base") || !s.before.Base.Reference.Equal(s.recipe.Base) {
		return ""
	}
	return s.before.Base.Digest
}

// pinBase opens the base. Where its reference names an index, that is pinned
// first and asked for the platform: a tag that moves in between moves nothing.
func (s *resolving) pinBase(ctx context.Context, p v1.Platform, run *stage.Run) (*base.Base, error) {
	reference, index := s.recipe.Base, s.before.Base.Index
	held := s.pinnedBase()
	if held == "" {
		var err error
		if reference, index, err = base.ThroughIndex(ctx, s.env, reference); err != nil {
			return nil, fmt.Errorf("opening base %s: %w", s.recipe.Base, err)
		}
	}
	b, err := base.Unpacked(ctx, s.env, base.Pinned{Name: reference, Digest: held, Platform: p}, run)
	if err != nil {
		return nil, err
	}
	b.Reference, b.Index = s.recipe.Base, index
	return b, nil
}

func (s *resolving) lockUV(ctx context.Context) ([]recipe.LockedUV, error) {
	held := len(s.before.UV) == len(host.Architectures) && s.before.UV[0].Version == s.recipe.UV
	if held && !s.upgrade.has("uv") {
		return s.before.UV, nil
	}
	return environments.LockUV(ctx, s.env, s.recipe.UV)
}

func (s *resolving) source(ctx context.Context, src recipe.Source, run *stage.Run) (sources.Resolved, error) {
	old, ok := s.before.Source(src.Name)
	if ok && old.URL == src.Git.URL && old.Ref == src.Git.Ref && !s.upgrade.has(src.Name) {
		if s.upgrade.Compare {
			sources.NoteDrift(ctx, s.env, sources.Locked(src, *old, s.recipe.Dir()), run)
		}
		return sources.Keep(ctx, s.env, src, *old, s.recipe.Dir(), run)
	}
	found, err := sources.Find(ctx, s.env, src, s.recipe.Dir(), run)
	if err != nil {
		return sources.Resolved{}, err
	}
	at := sources.At{Source: src, Found: found, Dir: s.recipe.Dir()}
	if at.Found.Pulls, err = sources.FindPulls(ctx, s.env, at, nil, run); err != nil {
		return sources.Resolved{}, err
	}
	return sources.Resolve(ctx, s.env, at, run)
}

func (s *resolving) set(ctx context.Context, q environments.Question, run *stage.Run) (namedSet, error) {
	q.ExcludeNewer = s.recipe.ExcludeNewer
	q.Constraints = append(slices.Clone(s.recipe.Constraints), q.Constraints...)
	if !s.upgrade.has(q.Name) {
		if old := s.before.Set(q.Name); old != nil {
			q.Before = old.Text
		}
	}
	text, err := environments.Compiler{Env: s.env, Recipe: s.recipe, Base: s.base.Value(), UV: s.uv.Value()}.Compile(ctx, q, run)
	if err != nil {
		return namedSet{}, err
	}
	if text, err = environments.Hash(ctx, s.env, s.base.Value(), q.Name, text, run); err != nil {
		return namedSet{}, fmt.Errorf("the environment %s: %w", q.Name, err)
	}
	set := recipe.NewSet(q.Name, text)
	// A set that cannot be installed is found now, not after a fetch.
	chosen, err := environments.Pins(s.base.Value(), set)
	if err != nil {
		return namedSet{}, fmt.Errorf("the environment %s: %w", q.Name, err)
	}
	if q.Name == runtimeName {
		if err := checkProvided(s.recipe, chosen); err != nil {
			return namedSet{}, err
		}
	}
	environments.NoteYanked(ctx, s.env, chosen, run)
	return namedSet{q.Name, set}, nil
}

func (s *resolving) lock(p v1.Platform, uv []recipe.LockedUV, sets []*stage.Stage[namedSet]) *recipe.Lock {
	base := s.base.Value()
	l := &recipe.Lock{
		Version: recipe.LockVersion, Recipe: s.recipe.Name, RecipeDigest: s.recipe.Digest,
		Platform: p.String(), Python: base.Python.Version,
		Base: recipe.LockedBase{Reference: s.recipe.Base, Index: s.bare.Value().Index, Digest: s.bare.Value().Digest, Interpreter: base.Python.Path},
		UV:   uv,
	}
	if g := s.recipe.GPU; g != nil && g.Driver != (cuda.Version{}) {
		l.Driver = g.Driver.String()
	}
	if s.debs != nil {
		l.Packages = s.debs.Value()
	}
	for _, src := range s.recipe.Sources {
		l.Sources = append(l.Sources, s.sources[src.Name].Value().Locked)
	}
	for _, set := range sets {
		if v := set.Value(); v.name == runtimeName {
			l.Runtime = &v.set
		} else {
			l.Wheels = append(l.Wheels, recipe.LockedWheel{Name: v.name, LockedSet: v.set})
		}
	}
	return l
}
