package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// recipeDir is where a recipe's own files, such as patches, are looked for.
func recipeDir(r *recipe.Recipe) string {
	if r.Path == "" {
		return "."
	}
	return filepath.Dir(r.Path)
}

// resolved is a source with its tree.
type resolved struct {
	locked recipe.LockedSource
	tree   *Tree
}

// Resolve adds the stages that ask what every name in the recipe means today.
// The last one's value is the lock; running them needs the network.
func Resolve(g *stage.Graph, env Env, r *recipe.Recipe) (*stage.Stage[*recipe.Lock], error) {
	platform, err := env.hostPlatform(r)
	if err != nil {
		return nil, err
	}
	base := stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return unpackedBase(ctx, env, r.Base, "", platform, run)
	})
	uvPins := stage.Add(g, "uv pins", func(ctx context.Context, _ *stage.Run) ([]recipe.LockedFile, error) {
		return lockUV(ctx, env, r.UV)
	})
	uv := stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (Tool, error) {
		return fetchUV(ctx, env, uvPins.Value(), platform, run)
	}, uvPins)
	sources := map[string]*stage.Stage[resolved]{}
	needs := []stage.Need{base, uvPins}
	for _, src := range r.Sources {
		sources[src.Name] = stage.Add(g, "source "+src.Name, func(ctx context.Context, run *stage.Run) (resolved, error) {
			return resolveSource(ctx, env, src, recipeDir(r), run)
		})
		needs = append(needs, sources[src.Name])
	}
	var sets []*stage.Stage[recipe.LockedWheel]
	for _, w := range r.Wheels {
		src := sources[w.Source]
		set := stage.Add(g, "requirements of "+w.Name, func(ctx context.Context, run *stage.Run) (recipe.LockedWheel, error) {
			return resolveWheel(ctx, env, w, src.Value().tree, base.Value(), uv.Value(), run)
		}, src, base, uv)
		sets = append(sets, set)
		needs = append(needs, set)
	}
	return stage.Add(g, "lock", func(context.Context, *stage.Run) (*recipe.Lock, error) {
		l := newLock(r, platform, base.Value(), uvPins.Value())
		for _, src := range r.Sources {
			l.Sources = append(l.Sources, sources[src.Name].Value().locked)
		}
		for _, set := range sets {
			l.Wheels = append(l.Wheels, set.Value())
		}
		return l, nil
	}, needs...), nil
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

func newLock(r *recipe.Recipe, p v1.Platform, base *Base, uv []recipe.LockedFile) *recipe.Lock {
	return &recipe.Lock{
		Version: recipe.LockVersion, Recipe: r.Name, RecipeDigest: r.Digest,
		Platform: p.String(), Python: base.Python.Version,
		Base: recipe.LockedBase{Reference: r.Base, Digest: base.Digest, Interpreter: base.Python.Path},
		UV:   uv,
	}
}

func unpackedBase(ctx context.Context, env Env, reference, pinned string, p v1.Platform, run *stage.Run) (*Base, error) {
	b, err := OpenBase(ctx, env, reference, pinned, p)
	if err != nil {
		return nil, err
	}
	hit, err := b.Unpack(ctx, env, run)
	if err != nil {
		return nil, err
	}
	if hit {
		run.Hit("unpacked before")
	}
	return b, nil
}

func resolveSource(ctx context.Context, env Env, src recipe.Source, dir string, run *stage.Run) (resolved, error) {
	c, err := env.Mirrors.Resolve(ctx, src.Git)
	if err != nil {
		return resolved{}, err
	}
	logf(run, "%s is commit %s of %s", src.Git.Ref, c.Hash, c.Time.UTC().Format("2006-01-02T15:04:05Z"))
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

func resolveWheel(ctx context.Context, env Env, w recipe.Wheel, t *Tree, base *Base, uv Tool, run *stage.Run) (recipe.LockedWheel, error) {
	q, err := buildQuestion(w, t)
	if err != nil {
		return recipe.LockedWheel{}, err
	}
	text, err := compile(ctx, env, base, uv, q, run)
	if err != nil {
		return recipe.LockedWheel{}, err
	}
	set := recipe.NewSet(w.Name, text)
	// A set that cannot be installed here is found now, not after a fetch.
	if _, err := pins(base, set); err != nil {
		return recipe.LockedWheel{}, fmt.Errorf("build requirements of %s: %w", w.Name, err)
	}
	return recipe.LockedWheel{Name: w.Name, LockedSet: set}, nil
}

// lockedSource makes the tree that a lock pins, and says so when what comes
// out is not what it pins.
func lockedSource(ctx context.Context, env Env, src recipe.Source, l recipe.LockedSource, dir string, run *stage.Run) (*Tree, error) {
	src.Git = git.Source{URL: l.URL, Ref: l.Ref}
	t, err := prepare(ctx, env, src, dir, git.Commit{Hash: l.Commit, Time: l.Time, Tree: l.Tree}, run)
	if err != nil {
		return nil, err
	}
	if t.Hash != l.Tree {
		return nil, fmt.Errorf("source %s: the tree of commit %s is %s and the lock pins %s", src.Name, l.Commit, t.Hash, l.Tree)
	}
	return t, nil
}
