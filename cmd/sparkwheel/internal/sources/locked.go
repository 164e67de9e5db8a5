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

// Resolve makes the tree of what was found, and what a lock pins of it.
func Resolve(ctx context.Context, env host.Env, src recipe.Source, found Found, dir string, run *stage.Run) (Resolved, error) {
	c := found.Commit
	t, err := Prepare(ctx, env, src, dir, c, run)
	if err != nil {
		return Resolved{}, err
	}
	env, err = reaching(env, src, dir)
	if err != nil {
		return Resolved{}, err
	}
	v, from, err := computeVersion(ctx, env, src, found.described(), t.dirty() || found.dirty(), run)
	if err != nil {
		return Resolved{}, err
	}
	l := recipe.LockedSource{
		Name: src.Name, URL: src.Git.URL, Ref: src.Git.Ref,
		Commit: c.Hash, Time: c.Time.UTC(), Tree: t.Hash, Version: v, Described: from,
	}
	if found.dirty() {
		l.Dirty, l.Head = true, found.Head.Hash
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

// Checkout makes the tree that a lock pins, and says so when what comes
// out is not what it pins.
func Checkout(ctx context.Context, env host.Env, src recipe.Source, l recipe.LockedSource, dir string, run *stage.Run) (*Tree, error) {
	src.Git = git.Source{URL: l.URL, Ref: l.Ref}
	if l.Dirty && src.Local {
		here, err := reaching(env, src, dir)
		if err != nil {
			return nil, err
		}
		again(ctx, here, src, l, run)
	}
	t, err := Prepare(ctx, env, src, dir, git.Commit{Hash: l.Commit, Time: l.Time, Tree: l.Tree}, run)
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
