package pipeline

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Fetched is what a fetch brought.
type Fetched struct {
	Pins     []index.Pin // every file of an index that the lock needs, uv included
	Files    int         // how many they are
	Bytes    int64       // their size
	Received int64       // bytes of them that came over the network now
	Base     *Base
}

// Fetch adds the stages that bring all that the lock names into the store: the
// base, uv, packages, the sources' trees, and the wheels of every environment. A file's
// failure stops no other; the next fetch brings what is missing.
func Fetch(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock) (*stage.Stage[*Fetched], error) {
	env = env.with(r)
	platform, err := v1.ParsePlatform(l.Platform)
	if err != nil {
		return nil, fmt.Errorf("the lock's platform: %w", err)
	}
	debs := stage.Add(g, "packages", func(ctx context.Context, run *stage.Run) (index.Fetched, error) {
		return fetchAll(ctx, env.noting(run), debPins(env, l.Packages.All()), run)
	})
	base := stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return lockedBase(ctx, env, l, *platform, run)
	}, debs)
	needs := []stage.Need{base}
	for _, src := range r.Sources {
		locked, ok := l.Source(src.Name)
		if !ok {
			return nil, &NotLockedError{"source " + src.Name}
		}
		needs = append(needs, stage.Add(g, "source "+src.Name, func(ctx context.Context, run *stage.Run) (*Tree, error) {
			return lockedSource(ctx, env, src, *locked, r.Dir(), run)
		}))
	}
	for _, w := range r.Wheels {
		for _, s := range addContents(g, env, r, l, w) {
			needs = append(needs, s)
		}
	}
	files := stage.Add(g, "files", func(ctx context.Context, run *stage.Run) (*Fetched, error) {
		got, err := fetchFiles(ctx, env, r, l, base.Value(), run)
		if err == nil {
			got.Received += debs.Value().Received
		}
		return got, err
	}, base)
	needs = append(needs, files)
	return stage.Add(g, "fetched", func(context.Context, *stage.Run) (*Fetched, error) {
		return files.Value(), nil
	}, needs...), nil
}

// lockedPins are all files of indexes and archives that the lock needs, each
// once.
func lockedPins(env Env, r *recipe.Recipe, l *recipe.Lock, base *Base) ([]index.Pin, error) {
	var all []index.Pin
	seen := map[string]bool{}
	add := func(p index.Pin) {
		if !seen[p.SHA256] {
			seen[p.SHA256] = true
			all = append(all, p)
		}
	}
	for _, f := range l.UV {
		add(uvPin(f))
	}
	for _, f := range l.Files {
		add(filePin(f))
	}
	for _, p := range debPins(env, l.Packages.All()) {
		add(p)
	}
	var faults []error
	for _, m := range r.Manifests {
		locked, err := lockedManifest(m, l)
		if err != nil {
			return nil, err
		}
		files, err := manifestPins(m, locked)
		faults = append(faults, err)
		for _, p := range files {
			add(p)
		}
	}
	for _, set := range l.Sets() {
		chosen, err := pins(base, *set)
		faults = append(faults, err)
		for _, p := range chosen {
			add(p)
		}
	}
	return all, errors.Join(faults...)
}

func fetchFiles(ctx context.Context, env Env, r *recipe.Recipe, l *recipe.Lock, base *Base, run *stage.Run) (*Fetched, error) {
	all, err := lockedPins(env, r, l, base)
	if err != nil {
		return nil, err
	}
	got, err := fetchAll(ctx, env, all, run)
	if err != nil {
		return nil, err
	}
	if got.Received == 0 {
		run.Hit("every file is in the store")
	}
	return &Fetched{Pins: all, Files: got.Files, Bytes: got.Bytes, Received: got.Received, Base: base}, nil
}
