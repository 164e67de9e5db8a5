package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// wanted is what a run wants a lock of, and what of an earlier one it keeps.
type wanted struct {
	recipe   *recipe.Recipe
	override recipe.Override
	out      string // directory of an embedded recipe's lock
	locked   bool   // a lock that does not fit is refused

	before  *recipe.Lock // nil for none
	upgrade pipeline.Upgrade
}

// lockPath is where a recipe's lock is: --lock, else beside the recipe's file,
// else, for an embedded recipe, in the output directory.
func (a *app) lockPath(r *recipe.Recipe, out string) string {
	switch {
	case a.lock != "":
		return a.lock
	case r.Path != "":
		return r.LockPath()
	}
	return filepath.Join(out, "sparkwheel.lock")
}

// heldLock is where a recipe's lock is read: at lockPath, but as long as there is
// none, in the output directory, where earlier versions left it.
func (a *app) heldLock(r *recipe.Recipe, out string) string {
	path := a.lockPath(r, out)
	if _, err := os.Stat(path); err == nil || a.lock != "" {
		return path
	}
	old := filepath.Join(out, "sparkwheel.lock")
	if l, err := recipe.ReadLock(old); err == nil && l.Recipe == r.Name {
		return old
	}
	return path
}

// lockForBuild is the lock to build from: the one that is there, with what an
// edit of the recipe touched locked again, or else a new one.
func (a *app) lockForBuild(ctx context.Context, env host.Env, w wanted) (*recipe.Lock, error) {
	path, held := a.lockPath(w.recipe, w.out), a.heldLock(w.recipe, w.out)
	l, err := recipe.LoadLock(held, w.recipe)
	switch mismatch, ok := errors.AsType[*recipe.MismatchError](err); {
	case err == nil:
		if err = l.Covers(held, w.recipe, w.override); err != nil || held == path || w.locked {
			return l, err
		}
		fmt.Fprintf(a.Stderr, "the lock %s is now kept next to the recipe: %s\n", held, path)
		return l, saveLock(l, path)
	case ok && mismatch.Edited != nil && !w.locked && !a.offline:
		w.before = mismatch.Edited
		if err := w.before.Covers(held, w.recipe, w.override); err != nil {
			return nil, err
		}
		w.override = w.before.Overrides(w.recipe)
		fmt.Fprintf(a.Stderr, "recipe %s has changed since %s was written: locking what the change touches\n", w.recipe.Name, held)
	case !errors.Is(err, recipe.ErrNoLock) || a.lock != "" || w.locked:
		return nil, err
	case a.offline:
		return nil, notLockedErrorf("there is no lock at %s and --offline forbids writing one; run `sparkwheel lock` without --offline", path)
	}
	if err := a.writeLock(ctx, env, w, path); err != nil {
		return nil, err
	}
	return recipe.LoadLock(path, w.recipe) // what a later build and plan read is what this one builds
}

// writeLock asks what every name in the recipe means now, keeping of an earlier
// lock what upgrade does not name, writes that to path and shows each change.
func (a *app) writeLock(ctx context.Context, env host.Env, w wanted, path string) error {
	asked, err := w.recipe.With(w.override)
	if err != nil {
		return usageErrorf("%w", err)
	}
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	s, err := pipeline.Resolve(g, pipeline.Request{Env: env, Recipe: asked}, w.before, w.upgrade)
	if err != nil {
		return err
	}
	if err := a.runGraph(ctx, g); err != nil {
		return err
	}
	l := s.Value()
	l.Remember(w.recipe)
	if w.before == nil {
		return saveLock(l, path)
	}
	l.RecipeFile = w.before.RecipeFile
	if err := saveLock(l, path); err != nil {
		return err
	}
	changes := recipe.Diff(w.before, l)
	for _, line := range changes {
		fmt.Fprintln(a.Stderr, line)
	}
	if len(changes) == 0 {
		fmt.Fprintf(a.Stderr, "%s: no pin has changed\n", path)
	}
	return nil
}

// saveLock writes a lock, or says how to have it elsewhere.
func saveLock(l *recipe.Lock, path string) error {
	if err := l.Save(path); err != nil {
		return fmt.Errorf("%w; `--lock FILE` puts it elsewhere", err)
	}
	return nil
}

// lockedRecipe is the recipe with the lock that must cover what was asked.
func (a *app) lockedRecipe(out string, flags *overrideFlags) (*recipe.Recipe, *recipe.Lock, error) {
	r, o, err := a.recipeAndOverride(flags)
	if err != nil {
		return nil, nil, err
	}
	path := a.heldLock(r, out)
	l, err := recipe.LoadLock(path, r)
	if err == nil {
		err = l.Covers(path, r, o)
	}
	return r, l, notLocked(err)
}

// recipeOfLock is the recipe that --lock was made from, where the lock says where
// its file stands, as that of a bundle does.
func (a *app) recipeOfLock() (name string, l *recipe.Lock) {
	if a.lock == "" {
		return "", nil
	}
	l, err := recipe.ReadLock(a.lock)
	if err != nil {
		return "", nil // whoever needs the lock says why
	}
	if filepath.IsLocal(l.RecipeFile) {
		return filepath.Join(filepath.Dir(a.lock), l.RecipeFile), l
	}
	return "", l
}

// recipeName is -r, else the recipe of --lock's bundle, else ./sparkwheel.toml,
// else the embedded recipe that --lock was made from, else spark.
func (a *app) recipeName() string {
	if a.recipe != "" {
		return a.recipe
	}
	name, l := a.recipeOfLock()
	if name != "" {
		return name
	}
	if _, err := os.Stat("sparkwheel.toml"); err == nil {
		return "sparkwheel.toml"
	}
	if l != nil && slices.Contains(recipe.Names(), l.Recipe) {
		return l.Recipe
	}
	return "spark"
}
