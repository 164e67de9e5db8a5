package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// resolved is a source with its tree.
type resolved struct {
	locked recipe.LockedSource
	tree   *Tree
}

// Upgrade says what of an earlier lock is asked for anew.
type Upgrade struct {
	All   bool
	Names []string // sources, wheels, packages, base, uv, runtime
}

func (u Upgrade) has(name string) bool { return u.All || slices.Contains(u.Names, name) }

// resolving is one making of a lock: what the recipe asks now, and what an
// earlier lock said, which holds wherever the recipe still asks the same.
type resolving struct {
	env     Env
	recipe  *recipe.Recipe
	before  *recipe.Lock
	upgrade Upgrade
	machine string // of the platform, as CMake calls it

	bare    *stage.Stage[*Base] // without packages
	base    *stage.Stage[*Base]
	debs    *stage.Stage[*recipe.LockedPackages] // nil when the recipe adds none
	uv      *stage.Stage[Tool]
	sources map[string]*stage.Stage[resolved]
}

// Resolve adds the stages that ask what every name in the recipe means today.
// The last one's value is the lock; running them needs the network. Of before,
// which may be nil, all that the recipe still asks for is kept unless upgrade
// names it.
func Resolve(g *stage.Graph, env Env, r *recipe.Recipe, before *recipe.Lock, upgrade Upgrade) (*stage.Stage[*recipe.Lock], error) {
	platform, err := env.platform(r.Target.Platform)
	if err != nil {
		return nil, err
	}
	env = env.with(r)
	if before == nil {
		before = &recipe.Lock{}
	}
	s := &resolving{
		env: env, recipe: r, before: before, upgrade: upgrade, sources: map[string]*stage.Stage[resolved]{},
		machine: map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[platform.Architecture],
	}
	s.addBase(g, platform)
	needs := []stage.Need{s.base}
	uvPins := stage.Add(g, "uv pins", func(ctx context.Context, _ *stage.Run) ([]recipe.LockedUV, error) {
		return s.lockUV(ctx)
	})
	s.uv = stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (Tool, error) {
		return fetchUV(ctx, env, uvPins.Value(), env.Host, run)
	}, uvPins)
	needs = append(needs, uvPins)
	for _, src := range r.Sources {
		s.sources[src.Name] = stage.Add(g, "source "+src.Name, func(ctx context.Context, run *stage.Run) (resolved, error) {
			return s.source(ctx, src, run)
		})
		needs = append(needs, s.sources[src.Name])
	}
	files := s.addFiles(g)
	for _, file := range files {
		needs = append(needs, file)
	}
	manifests := s.addManifests(g)
	for _, m := range manifests {
		needs = append(needs, m)
	}
	sets := s.addSets(g)
	for _, set := range sets {
		needs = append(needs, set)
	}
	contents := s.addContents(g)
	for _, c := range contents {
		needs = append(needs, c)
	}
	return stage.Add(g, "lock", func(ctx context.Context, _ *stage.Run) (*recipe.Lock, error) {
		l := s.lock(platform, uvPins.Value(), sets)
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
		l.Indexes, err = cameFrom(ctx, env, r, l.Sets())
		return l, err
	}, needs...), nil
}

// addBase adds the stages of the base and of its packages.
func (s *resolving) addBase(g *stage.Graph, platform v1.Platform) {
	s.bare = stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		b, err := s.pinBase(ctx, platform, run)
		if err != nil || !s.recipe.Packages.Empty() {
			return b, err
		}
		return complete(ctx, s.env, b, nil, run)
	})
	s.base = s.bare
	if s.recipe.Packages.Empty() {
		return
	}
	s.debs = stage.Add(g, "packages", func(ctx context.Context, run *stage.Run) (*recipe.LockedPackages, error) {
		return s.packages(ctx, s.bare.Value(), run)
	}, s.bare)
	s.base = stage.Add(g, "base with packages", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return complete(ctx, s.env, s.bare.Value(), s.debs.Value(), run)
	}, s.debs)
}

// namedSet is an environment under the name of its wheel, or "runtime".
type namedSet struct {
	name string
	set  recipe.LockedSet
}

func (s *resolving) addSets(g *stage.Graph) []*stage.Stage[namedSet] {
	var sets []*stage.Stage[namedSet]
	for _, w := range s.recipe.Wheels {
		src := s.sources[w.Source]
		sets = append(sets, stage.Add(g, "requirements of "+w.Name, func(ctx context.Context, run *stage.Run) (namedSet, error) {
			q, err := buildQuestion(w, src.Value().tree)
			if err != nil {
				return namedSet{}, err
			}
			return s.set(ctx, q, run)
		}, src, s.base, s.uv))
	}
	if s.recipe.Runtime.Empty() {
		return sets
	}
	needs := []stage.Need{s.base, s.uv}
	for _, name := range slices.Sorted(maps.Keys(s.recipe.Runtime.Files)) {
		needs = append(needs, s.sources[name])
	}
	return append(sets, stage.Add(g, "runtime", func(ctx context.Context, run *stage.Run) (namedSet, error) {
		return s.set(ctx, s.runtimeQuestion(), run)
	}, needs...))
}

func (s *resolving) runtimeQuestion() question {
	rt := s.recipe.Runtime
	q := question{name: runtimeName, requirements: rt.Requires, overrides: rt.Overrides, excludes: rt.Excludes, trees: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(rt.Files)) {
		q.trees[name] = s.sources[name].Value().tree.Dir
		for _, f := range rt.Files[name] {
			q.requirements = append(q.requirements, "-r /build/trees/"+name+"/"+f)
		}
	}
	// What is built here is not looked for on the index.
	for _, w := range s.recipe.Wheels {
		q.excludes = append(q.excludes, w.Distribution)
	}
	return q
}

const runtimeName = "runtime"

func (s *resolving) pinnedBase() string {
	if s.upgrade.has("base") || s.before.Base.Reference != s.recipe.Base {
		return ""
	}
	return s.before.Base.Digest
}

// pinBase opens the base. Where its reference names an index, that is pinned
// first and asked for the platform: a tag that moves in between moves nothing.
func (s *resolving) pinBase(ctx context.Context, p v1.Platform, run *stage.Run) (*Base, error) {
	reference, index := s.recipe.Base, s.before.Base.Index
	held := s.pinnedBase()
	if held == "" {
		var err error
		if reference, index, err = throughIndex(ctx, s.env, reference); err != nil {
			return nil, fmt.Errorf("opening base %s: %w", s.recipe.Base, err)
		}
	}
	b, err := unpackedBase(ctx, s.env, reference, held, p, run)
	if err != nil {
		return nil, err
	}
	b.Reference, b.Index = s.recipe.Base, index
	return b, nil
}

func (s *resolving) lockUV(ctx context.Context) ([]recipe.LockedUV, error) {
	held := len(s.before.UV) == len(uvMachines) && s.before.UV[0].Version == s.recipe.UV
	if held && !s.upgrade.has("uv") {
		return s.before.UV, nil
	}
	return lockUV(ctx, s.env, s.recipe.UV)
}

func (s *resolving) source(ctx context.Context, src recipe.Source, run *stage.Run) (resolved, error) {
	old, ok := s.before.Source(src.Name)
	if ok && old.URL == src.Git.URL && old.Ref == src.Git.Ref && !s.upgrade.has(src.Name) {
		run.Note("%s stays at %s; --upgrade=%s asks what %s means now", src.Name, old.Commit, src.Name, old.Ref)
		return resolveSource(ctx, s.env, src, git.Commit{Hash: old.Commit, Time: old.Time, Tree: old.Tree}, s.recipe.Dir(), run)
	}
	c, err := s.env.Mirrors.Resolve(ctx, src.Git)
	if err != nil {
		return resolved{}, err
	}
	logf(run, "%s is commit %s of %s", src.Git.Ref, c.Hash, c.Time.UTC().Format(time.RFC3339))
	return resolveSource(ctx, s.env, src, c, s.recipe.Dir(), run)
}

func (s *resolving) set(ctx context.Context, q question, run *stage.Run) (namedSet, error) {
	q.excludeNewer = s.recipe.ExcludeNewer
	if !s.upgrade.has(q.name) {
		if old := s.before.Set(q.name); old != nil {
			q.before = old.Text
		}
	}
	text, err := compile(ctx, s.env, s.recipe, s.base.Value(), s.uv.Value(), q, run)
	if err != nil {
		return namedSet{}, err
	}
	set := recipe.NewSet(q.name, text)
	// A set that cannot be installed is found now, not after a fetch.
	chosen, err := pins(s.base.Value(), set)
	if err != nil {
		return namedSet{}, fmt.Errorf("the environment %s: %w", q.name, err)
	}
	sayYanked(ctx, s.env, chosen, run)
	return namedSet{q.name, set}, nil
}

func (s *resolving) lock(p v1.Platform, uv []recipe.LockedUV, sets []*stage.Stage[namedSet]) *recipe.Lock {
	base := s.base.Value()
	l := &recipe.Lock{
		Version: recipe.LockVersion, Recipe: s.recipe.Name, RecipeDigest: s.recipe.Digest,
		Platform: p.String(), Python: base.Python.Version,
		Base: recipe.LockedBase{Reference: s.recipe.Base, Index: s.bare.Value().Index, Digest: s.bare.Value().Digest, Interpreter: base.Python.Path},
		UV:   uv,
	}
	if s.debs != nil {
		l.Packages = s.debs.Value()
	}
	for _, src := range s.recipe.Sources {
		l.Sources = append(l.Sources, s.sources[src.Name].Value().locked)
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

// Buildable says, as a *PlatformError, that a recipe builds wheels for another
// platform than this host's.
func (e Env) Buildable(r *recipe.Recipe) error {
	_, err := e.buildPlatform(r)
	return err
}

// buildPlatform is the recipe's platform. Where it builds wheels, that must be
// this host's; a recipe that only lays out published ones can be for any.
func (e Env) buildPlatform(r *recipe.Recipe) (v1.Platform, error) {
	if len(r.Wheels) == 0 {
		return e.platform(r.Target.Platform)
	}
	return e.hostPlatform(r)
}

// hostPlatform is the recipe's platform, which must be this host's: upstream
// code runs in the build, and nothing here emulates a processor.
func (e Env) hostPlatform(r *recipe.Recipe) (v1.Platform, error) {
	p, err := e.platform(r.Target.Platform)
	if err != nil {
		return p, err
	}
	if p.OS != e.Host.OS || p.Architecture != e.Host.Architecture {
		return p, &PlatformError{Want: p.String(), Host: e.Host.String()}
	}
	return p, nil
}

// lockedBase is the base that a lock pins, with its packages.
func lockedBase(ctx context.Context, env Env, l *recipe.Lock, p v1.Platform, run *stage.Run) (*Base, error) {
	b, err := unpackedBase(ctx, env, l.Base.Reference, l.Base.Digest, p, run)
	if err != nil {
		return nil, err
	}
	return complete(ctx, env, b, l.Packages, run)
}

// unpackedBase is a base as it is, its interpreter not asked yet: packages may
// bring one.
func unpackedBase(ctx context.Context, env Env, reference, pinned string, p v1.Platform, run *stage.Run) (*Base, error) {
	env = env.noting(run)
	b, brought, err := openBase(ctx, env, reference, pinned, p)
	if err != nil {
		return nil, err
	}
	unpacked, err := b.unpackRoot(ctx, env)
	if err != nil {
		return nil, err
	}
	if brought && unpacked {
		run.Hit("unpacked before")
	}
	return b, nil
}

// complete is the base with packages, and what its interpreter says.
func complete(ctx context.Context, env Env, b *Base, l *recipe.LockedPackages, run *stage.Run) (*Base, error) {
	env = env.noting(run)
	c := *b
	if err := installDebs(ctx, env, &c, l, run); err != nil {
		return nil, err
	}
	var err error
	c.Python, err = c.askPython(ctx, env, run)
	return &c, err
}

func resolveSource(ctx context.Context, env Env, src recipe.Source, c git.Commit, dir string, run *stage.Run) (resolved, error) {
	t, err := prepare(ctx, env, src, dir, c, run)
	if err != nil {
		return resolved{}, err
	}
	v, err := computeVersion(ctx, env, src, c, t.dirty(), run)
	if err != nil {
		return resolved{}, err
	}
	l := recipe.LockedSource{
		Name: src.Name, URL: src.Git.URL, Ref: src.Git.Ref,
		Commit: c.Hash, Time: c.Time.UTC(), Tree: t.Hash, Version: v,
	}
	for _, s := range t.Submodules {
		l.Submodules = append(l.Submodules, recipe.LockedSubmodule(s))
	}
	return resolved{l, t}, nil
}

// VanishedError says that a repository no longer has a commit that was locked.
type VanishedError struct{ Source, URL, Ref, Commit string }

func (e *VanishedError) Error() string {
	return fmt.Sprintf("source %s: commit %s is gone from %s (it was %s when it was locked); take it from a bundle or a store that has it, or run `sparkwheel lock --upgrade=%s`",
		e.Source, e.Commit, e.URL, e.Ref, e.Source)
}

// lockedSource makes the tree that a lock pins, and says so when what comes
// out is not what it pins.
func lockedSource(ctx context.Context, env Env, src recipe.Source, l recipe.LockedSource, dir string, run *stage.Run) (*Tree, error) {
	src.Git = git.Source{URL: l.URL, Ref: l.Ref}
	t, err := prepare(ctx, env, src, dir, git.Commit{Hash: l.Commit, Time: l.Time, Tree: l.Tree}, run)
	if _, ok := errors.AsType[*git.RefError](err); ok {
		return nil, &VanishedError{Source: src.Name, URL: l.URL, Ref: l.Ref, Commit: l.Commit}
	}
	if err != nil {
		return nil, err
	}
	if t.Hash != l.Tree {
		return nil, fmt.Errorf("source %s: the tree of commit %s is %s and the lock pins %s", src.Name, l.Commit, t.Hash, l.Tree)
	}
	return t, nil
}
