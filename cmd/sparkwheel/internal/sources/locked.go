package sources

import (
	"context"
	"errors"
	"fmt"

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
	t, err := Prepare(ctx, env, a, run)
	if err != nil {
		return Resolved{}, err
	}
	for _, p := range t.Patches {
		run.Note("%s: %s", a.Name, p)
	}
	l := recipe.LockedSource{
		Name: a.Name, URL: a.Git.URL, Ref: a.Git.Ref,
		Commit: a.Commit.Hash, Time: a.Commit.Time.UTC(), Tree: t.Hash, Described: clean.described,
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
		l.Submodules = append(l.Submodules, recipe.LockedSubmodule(s))
	}
	return Resolved{l, t}, nil
}

// VanishedError says that a repository no longer has a commit that was locked.
type VanishedError struct{ Source, URL, Ref, Commit string }

func (e *VanishedError) Error() string {
	return fmt.Sprintf("source %s: commit %s is gone from %s (it was %s when it was locked); take it from a bundle or a store that has it, or run `sparkwheel lock --upgrade=%s`",
		e.Source, e.Commit, e.URL, e.Ref, e.Source)
}

// Locked is a source of a recipe at the commit that a lock pins. dir is the
// recipe's.
func Locked(src recipe.Source, l recipe.LockedSource, dir string) At {
	src.Git = git.Source{URL: l.URL, Ref: l.Ref}
	return At{Source: src, Found: Pinned(l), Dir: dir, Version: l.Unpatched()}
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
		return nil, &VanishedError{Source: a.Name, URL: a.Git.URL, Ref: a.Git.Ref, Commit: a.Commit.Hash}
	}
	if err != nil {
		return nil, err
	}
	if t.Hash != a.Commit.Tree {
		return nil, fmt.Errorf("source %s: the tree of commit %s is %s and the lock pins %s", a.Name, a.Commit.Hash, t.Hash, a.Commit.Tree)
	}
	return t, nil
}
