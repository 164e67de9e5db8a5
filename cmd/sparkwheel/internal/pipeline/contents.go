package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"testing/fstest"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements/fetchcontent"
)

// buildContents is where a build finds what its CMake files would fetch: each
// in a directory of its name.
const buildContents = "/build/src-deps"

// addContents adds a stage for each wheel whose CMake files are read.
func (s *resolving) addContents(g *stage.Graph) []*stage.Stage[foundContents] {
	var stages []*stage.Stage[foundContents]
	for _, w := range s.recipe.Wheels {
		if w.FetchContent == nil {
			continue
		}
		src := s.sources[w.Source]
		stages = append(stages, stage.Add(g, "fetchcontent of "+w.Name, func(ctx context.Context, run *stage.Run) (foundContents, error) {
			all, err := s.contents(ctx, w, src.Value(), run)
			return foundContents{w.Name, all}, err
		}, src))
	}
	return stages
}

// foundContents are the contents of a wheel.
type foundContents struct {
	wheel    string
	contents []recipe.LockedContent
}

// contents finds what the CMake files of a wheel's prepared source fetch and
// asks what each ref means, keeping of before what still fits.
func (s *resolving) contents(ctx context.Context, w recipe.Wheel, src resolved, run *stage.Run) ([]recipe.LockedContent, error) {
	found, err := readContents(s.recipe, w, src, s.machine)
	if err != nil {
		return nil, fmt.Errorf("wheel %s: %w", w.Name, err)
	}
	for _, n := range found.Notes {
		run.Note("%s: %s", w.Name, n)
	}
	all, err := chooseContents(w, found, run.Note)
	if err != nil {
		return nil, err
	}
	locked := make([]recipe.LockedContent, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.env.Jobs, 1))
	for i, one := range all {
		g.Go(func() (err error) {
			locked[i], err = s.content(ctx, w, one, run)
			if err != nil {
				return fmt.Errorf("wheel %s fetches %s (%s): %w", w.Name, one.locked.Name, one.locked.From, err)
			}
			return nil
		})
	}
	return locked, g.Wait()
}

// readContents reads the CMake files as the build will have them: with the
// patches, the rewriting and the recipe's own files.
func readContents(r *recipe.Recipe, w recipe.Wheel, src resolved, machine string) (_ *fetchcontent.Result, err error) {
	root, err := os.OpenRoot(src.tree.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	source, _ := r.Source(w.Source)
	plan := buildPlan{recipe: w, source: *source, locked: src.locked}
	opt := fetchcontent.Options{
		Root: buildSource, Dir: w.Subdirectory, Environment: map[string]string{},
		Variables: map[string]string{"CMAKE_SYSTEM_PROCESSOR": machine},
	}
	maps.Copy(opt.Variables, w.FetchContent.Variables)
	for k, v := range w.Environment {
		opt.Environment[k] = recipe.Expand(v, plan.values())
	}
	over := fstest.MapFS{}
	for name, text := range plan.files() {
		over[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fetchcontent.Read(overlaid{over, root.FS()}, opt)
}

// overlaid is a tree with files over it.
type overlaid struct{ over, under fs.FS }

func (o overlaid) Open(name string) (fs.File, error) {
	if f, err := o.over.Open(name); err == nil {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, nil
		}
		f.Close()
	}
	return o.under.Open(name)
}

// content asks what the ref of one content means, or keeps what it meant.
func (s *resolving) content(ctx context.Context, w recipe.Wheel, one wanted, run *stage.Run) (recipe.LockedContent, error) {
	l := one.locked
	c, err := s.contentCommit(ctx, w, l, run)
	if err != nil {
		return l, err
	}
	t, err := prepare(ctx, s.env, contentSource(l, one.patches), recipeDir(s.recipe), c, run)
	if err != nil {
		return l, err
	}
	l.Commit, l.Time, l.Tree = c.Hash, c.Time.UTC(), t.Hash
	for _, sub := range t.Submodules {
		l.Submodules = append(l.Submodules, recipe.LockedSubmodule(sub))
	}
	return l, nil
}

func (s *resolving) contentCommit(ctx context.Context, w recipe.Wheel, l recipe.LockedContent, run *stage.Run) (git.Commit, error) {
	if before, ok := s.before.Wheel(w.Name); ok && !s.upgrade.has(strings.ToLower(l.Name)) {
		if old, ok := before.Content(l.Name); ok && old.URL == l.URL && old.Ref == l.Ref {
			if old.Ref != old.Commit {
				run.Note("%s of %s stays at %s; --upgrade=%s asks what %s means now", l.Name, w.Name, old.Commit, strings.ToLower(l.Name), old.Ref)
			}
			return git.Commit{Hash: old.Commit, Time: old.Time, Tree: old.Tree}, nil
		}
	}
	c, err := s.env.Mirrors.Resolve(ctx, git.Source{URL: l.URL, Ref: l.Ref})
	if err == nil {
		logf(run, "%s: %s of %s is commit %s", l.Name, l.Ref, l.URL, c.Hash)
	}
	return c, err
}

// contentSource is content as the source that its tree is prepared from.
func contentSource(l recipe.LockedContent, patches []string) recipe.Source {
	// A lock that was read has nothing where one that is made has an empty list:
	// both are one key in the store.
	return recipe.Source{
		Name: "fetchcontent " + strings.ToLower(l.Name), Git: git.Source{URL: l.URL, Ref: l.Ref},
		Submodules: append([]string(nil), l.Checkout...), Patches: patches,
	}
}

// content is what a build has of what its CMake files would fetch.
type content struct {
	locked recipe.LockedContent
	tree   *Tree
}

func (c content) name() string { return strings.ToLower(c.locked.Name) }

// place is the content's directory in the build.
func (c content) place() string { return path.Join(buildContents, c.name()) }

// lockedContents are the wheel's contents as sources, in the lock's order.
func lockedContents(w recipe.Wheel, l *recipe.Lock) []lockedContent {
	set, ok := l.Wheel(w.Name)
	if !ok || w.FetchContent == nil {
		return nil
	}
	var all []lockedContent
	for _, c := range set.FetchContent {
		patches := w.FetchContent.Repositories[strings.ToLower(c.Name)].Patches
		all = append(all, lockedContent{c, contentSource(c, patches)})
	}
	return all
}

type lockedContent struct {
	recipe.LockedContent
	source recipe.Source
}

// prepare makes the content's tree, which must be the one that is pinned.
func (c lockedContent) prepare(ctx context.Context, env Env, dir string, run *stage.Run) (*Tree, error) {
	return lockedSource(ctx, env, c.source, recipe.LockedSource{URL: c.URL, Ref: c.Ref, Commit: c.Commit, Time: c.Time, Tree: c.Tree}, dir, run)
}

// addContents adds a stage for each of the wheel's contents.
func addContents(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock, w recipe.Wheel) []*stage.Stage[content] {
	var stages []*stage.Stage[content]
	for _, c := range lockedContents(w, l) {
		stages = append(stages, stage.Add(g, c.stage(w), func(ctx context.Context, run *stage.Run) (content, error) {
			t, err := c.prepare(ctx, env, recipeDir(r), run)
			return content{c.LockedContent, t}, err
		}))
	}
	return stages
}

func (c lockedContent) stage(w recipe.Wheel) string { return c.Name + " for " + w.Name }

// withContents are environment variables by which the build finds its
// contents, beside those that the recipe gives.
func withContents(environment map[string]string, f *recipe.FetchContent, contents []content) map[string]string {
	if len(contents) == 0 {
		return environment
	}
	out := maps.Clone(environment)
	if out == nil {
		out = map[string]string{}
	}
	var arguments []string
	for _, c := range contents {
		if c.locked.Environment != "" {
			out[c.locked.Environment] = c.place()
		} else {
			arguments = append(arguments, "-D"+c.locked.Argument+"="+c.place())
		}
	}
	if len(arguments) > 0 {
		out[f.Arguments] = strings.TrimSpace(out[f.Arguments] + " " + strings.Join(arguments, " "))
	}
	return out
}
