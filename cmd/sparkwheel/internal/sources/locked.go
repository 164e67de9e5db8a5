package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// Resolved is a source with its tree.
type Resolved struct {
	Locked recipe.LockedSource
	Tree   *Tree
}

// Resolve prepares a source's tree and pins what it came out as, with the version
// that its build will be told.
func Resolve(ctx context.Context, env host.Env, a At, run *stage.Run) (Resolved, error) {
	here, err := reaching(env, a.Source, a.Dir)
	if err != nil {
		return Resolved{}, err
	}
	clean, err := computeVersion(ctx, here, a, run)
	if err != nil {
		return Resolved{}, err
	}
	v, err := clean.as(false)
	if err != nil {
		return Resolved{}, err
	}
	a.Version = v
	if err := a.replace(ctx, here); err != nil {
		return Resolved{}, err
	}
	t, err := Prepare(ctx, env, a, run)
	if err != nil {
		return Resolved{}, err
	}
	for _, p := range t.Pulls {
		run.Note("%s: %s", a.Name, p)
	}
	for _, p := range t.Patches {
		run.Note("%s: %s", a.Name, p)
	}
	l := recipe.LockedSource{
		Name: a.Name, URL: a.Git.URL, Ref: a.Git.Ref,
		Commit: a.Commit.Hash, Time: a.Commit.Time.UTC(), Tree: t.Hash, Described: clean.described, Pulls: a.Found.Pulls,
	}
	if l.Version, err = clean.as(t.dirty() || a.dirty()); err != nil {
		return Resolved{}, err
	}
	if l.Version != a.Version {
		l.Clean = a.Version
	}
	if clean.from != "" {
		run.Note("%s is version %s, %s", a.Name, l.Version, clean.from)
	}
	if a.dirty() {
		l.Dirty, l.Head = true, a.Head.Hash
	}
	for _, s := range t.Submodules {
		l.Submodules = append(l.Submodules, recipe.LockedSubmodule{Path: s.Path, URL: s.URL, Commit: s.Commit, Ref: a.Submodule[s.Path].Ref})
	}
	return Resolved{l, t}, nil
}

// Keep is Resolve of a source that stays at the commit that a lock has, whatever
// its ref and the repository's tags mean now. dir is the recipe's.
func Keep(ctx context.Context, env host.Env, src recipe.Source, l recipe.LockedSource, dir string, run *stage.Run) (Resolved, error) {
	a := Locked(src, l, dir)
	var err error
	if a.Found.Pulls, err = FindPulls(ctx, env, a, l.Pulls, run); err != nil {
		return Resolved{}, err
	}
	r, err := Resolve(ctx, env, a, run)
	if gone, ok := errors.AsType[*git.RefError](err); ok && (gone.Ref == l.Ref || gone.Ref == l.Commit) {
		return r, a.vanished()
	}
	if _, ok := errors.AsType[*VersionError](err); ok {
		return r, fmt.Errorf("%w; or take what %s means now: run `sparkwheel lock --upgrade=%s`", err, l.Ref, l.Name)
	}
	return r, err
}

// VanishedError says that a repository no longer has a commit that was locked.
type VanishedError struct{ Source, URL, Ref, Commit string }

func (e *VanishedError) Error() string {
	return fmt.Sprintf("source %s: commit %s is no longer at %s (it was %s when it was locked); use a bundle or a store that has it, or run `sparkwheel lock --upgrade=%s`",
		e.Source, e.Commit, e.URL, e.Ref, e.Source)
}

func (a At) vanished() error {
	return &VanishedError{Source: a.Name, URL: a.Git.URL, Ref: a.Git.Ref, Commit: a.Commit.Hash}
}

// Locked is a source of a recipe at the commit that a lock pins. dir is the
// recipe's.
func Locked(src recipe.Source, l recipe.LockedSource, dir string) At {
	src.Git = git.Source{URL: l.URL, Ref: l.Ref}
	a := At{Source: src, Found: Pinned(l), Dir: dir, Version: l.Unpatched(), Described: l.Described}
	for _, s := range l.Submodules {
		if want, ok := src.Submodule[s.Path]; ok && want.URL == s.URL && want.Ref == s.Ref && s.Ref != "" {
			a.setReplaced(s.Path, git.Replacement{URL: s.URL, Ref: s.Ref, Commit: s.Commit})
		}
	}
	return a
}

func (a *At) setReplaced(at string, r git.Replacement) {
	if a.Replaced == nil {
		a.Replaced = map[string]git.Replacement{}
	}
	a.Replaced[at] = r
}

// replace asks what the refs of submodules that the recipe takes from elsewhere
// mean now, but for those that a lock has pinned.
func (a *At) replace(ctx context.Context, env host.Env) error {
	for _, at := range slices.Sorted(maps.Keys(a.Submodule)) {
		want := a.Submodule[at]
		if a.Replaced[at].Commit != "" || want.Ref == "" {
			continue
		}
		c, err := env.Mirrors.Resolve(ctx, git.Source{URL: want.URL, Ref: want.Ref})
		if err != nil {
			return fmt.Errorf("submodule %s of source %s: %w", at, a.Name, err)
		}
		a.setReplaced(at, git.Replacement{URL: want.URL, Ref: want.Ref, Commit: c.Hash})
	}
	return nil
}

// Checkout prepares a tree that a lock pins, and says so when what comes out is
// not what it pins.
func Checkout(ctx context.Context, env host.Env, a At, run *stage.Run) (*Tree, error) {
	if a.Local {
		here, err := reaching(env, a.Source, a.Dir)
		if err != nil {
			return nil, err
		}
		again(ctx, here, a, run)
	}
	t, err := Prepare(ctx, env, a, run)
	if _, ok := errors.AsType[*git.RefError](err); ok {
		return nil, a.vanished()
	}
	if err != nil {
		return nil, err
	}
	if t.Hash != a.Commit.Tree {
		return nil, fmt.Errorf("source %s: the tree of commit %s is %s, but the lock pins %s", a.Name, a.Commit.Hash, t.Hash, a.Commit.Tree)
	}
	return t, nil
}
