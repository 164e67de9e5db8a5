package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// addManifests adds a stage for each manifest of the recipe.
func (s *resolving) addManifests(g *stage.Graph) []*stage.Stage[recipe.LockedManifest] {
	var all []*stage.Stage[recipe.LockedManifest]
	for _, m := range s.recipe.Manifests {
		var needs []stage.Need
		if m.Source != "" {
			needs = append(needs, s.sources[m.Source])
		}
		all = append(all, stage.Add(g, "manifest "+m.Name, func(ctx context.Context, run *stage.Run) (recipe.LockedManifest, error) {
			locked, err := s.manifest(ctx, m, run)
			if err != nil {
				return locked, fmt.Errorf("manifest %s: %w", m.Name, err)
			}
			return locked, nil
		}, needs...))
	}
	return all
}

// manifest pins every file that the directories' lists name. What the lists are
// is known beforehand, so that an earlier lock of the same lists holds.
func (s *resolving) manifest(ctx context.Context, m recipe.Manifest, run *stage.Run) (recipe.LockedManifest, error) {
	dir, source := "", recipe.LockedSource{}
	if m.Source != "" {
		of := s.sources[m.Source].Value()
		dir, source = of.Tree.Dir, of.Locked
	}
	m = m.Expand(sources.Values(source, sources.Target{Machine: s.machine, GPUArch: s.recipe.Target.GPUArch}))
	directories, err := sources.Directories(m, dir, run.Note)
	if err != nil {
		return recipe.LockedManifest{}, err
	}
	old, ok := s.before.Manifest(m.Name)
	if ok && old.Text != nil && old.URL == m.URL && slices.Equal(old.Directories, directories) && slices.Equal(old.Include, m.Include) && !s.upgrade.has(m.Name) {
		return *old, nil
	}
	env := s.env.Noting(run)
	var all []recipe.Entry
	for i, dir := range directories {
		run.Progress(int64(i), int64(len(directories)))
		entries, err := sources.ReadList(ctx, env, m, dir)
		if err != nil {
			return recipe.LockedManifest{}, err
		}
		host.Logf(run, "%s%s: %s", dir.Path, m.List, host.Count(len(entries), "file"))
		all = append(all, recipe.Entry{Path: dir.Path + m.List, SHA256: dir.SHA256})
		all = append(all, entries...)
	}
	locked, err := recipe.NewManifest(m.Name, m.URL, directories, all)
	locked.Include = m.Include
	return locked, err
}
