package pipeline

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

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
func (s *resolving) contents(ctx context.Context, w recipe.Wheel, src sources.Resolved, run *stage.Run) ([]recipe.LockedContent, error) {
	found, err := sources.ReadContents(s.recipe, w, src, s.machine)
	if err != nil {
		return nil, fmt.Errorf("wheel %s: %w", w.Name, err)
	}
	for _, n := range found.Notes {
		run.Note("%s: %s", w.Name, n)
	}
	all, err := sources.ChooseContents(w, found, run.Note)
	if err != nil {
		return nil, err
	}
	locked := make([]recipe.LockedContent, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.env.Jobs, 1))
	for i, one := range all {
		g.Go(func() (err error) {
			locked[i], err = s.content(ctx, w, one, src.Locked.Unpatched(), run)
			if err != nil {
				return fmt.Errorf("wheel %s fetches %s (%s): %w", w.Name, one.Locked.Name, one.Locked.From, err)
			}
			return nil
		})
	}
	return locked, g.Wait()
}

// content asks what the ref of one content means, or keeps what it meant.
func (s *resolving) content(ctx context.Context, w recipe.Wheel, one sources.Wanted, version string, run *stage.Run) (recipe.LockedContent, error) {
	l := one.Locked
	c, err := s.contentCommit(ctx, w, l, run)
	if err != nil {
		return l, err
	}
	t, err := sources.Prepare(ctx, s.env, sources.At{Source: sources.ContentSource(l, one.Patches), Found: sources.Found{Commit: c}, Dir: s.recipe.Dir(), Version: version}, run)
	if err != nil {
		return l, err
	}
	for _, p := range t.Patches {
		run.Note("%s: %s", l.Name, p)
	}
	l.Commit, l.Time, l.Tree = c.Hash, c.Time.UTC(), t.Hash
	for _, sub := range t.Submodules {
		l.Submodules = append(l.Submodules, recipe.LockedSubmodule{Path: sub.Path, URL: sub.URL, Commit: sub.Commit})
	}
	return l, nil
}

func (s *resolving) contentCommit(ctx context.Context, w recipe.Wheel, l recipe.LockedContent, run *stage.Run) (git.Commit, error) {
	if before, ok := s.before.Wheel(w.Name); ok && !s.upgrade.has(strings.ToLower(l.Name)) {
		if old, ok := before.Content(l.Name); ok && old.URL == l.URL && old.Ref == l.Ref {
			if s.upgrade.Compare {
				d := sources.Drift{Name: l.Name + " of " + w.Name, Git: git.Source{URL: l.URL, Ref: l.Ref}, Commit: old.Commit, Upgrade: strings.ToLower(l.Name)}
				d.Note(ctx, s.env, run)
			}
			return git.Commit{Hash: old.Commit, Time: old.Time, Tree: old.Tree}, nil
		}
	}
	c, err := s.env.Mirrors.Resolve(ctx, git.Source{URL: l.URL, Ref: l.Ref})
	if err == nil {
		host.Logf(run, "%s: %s of %s is commit %s", l.Name, l.Ref, l.URL, c.Hash)
	}
	return c, err
}
