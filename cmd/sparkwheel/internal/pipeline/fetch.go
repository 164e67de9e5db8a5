package pipeline

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Fetched is what a fetch brought.
type Fetched struct {
	Pins     []index.Pin // every file of an index that the lock needs, uv included
	Files    int         // how many they are
	Bytes    int64       // their size
	Received int64       // bytes of them that came over the network now
	Base     *base.Base
}

// Fetch adds the stages that bring all that the lock names into the store: the
// base, uv, packages, the sources' trees, and the wheels of every environment. A file's
// failure stops no other; the next fetch brings what is missing.
func Fetch(g *stage.Graph, env host.Env, r *recipe.Recipe, l *recipe.Lock) (*stage.Stage[*Fetched], error) {
	env = env.With(r)
	platform, err := v1.ParsePlatform(l.Platform)
	if err != nil {
		return nil, fmt.Errorf("the lock's platform: %w", err)
	}
	debs := stage.Add(g, "packages", func(ctx context.Context, run *stage.Run) (index.Fetched, error) {
		return host.Fetch(ctx, env.Noting(run), packages.Pins(env, l.Packages.All()), run)
	})
	b := stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		return packages.Locked(ctx, env, l, *platform, run)
	}, debs)
	needs := []stage.Need{b}
	for _, src := range r.Sources {
		locked, ok := l.Source(src.Name)
		if !ok {
			return nil, &host.NotLockedError{What: "source " + src.Name}
		}
		needs = append(needs, stage.Add(g, "source "+src.Name, func(ctx context.Context, run *stage.Run) (*sources.Tree, error) {
			return sources.Checkout(ctx, env, src, *locked, r.Dir(), run)
		}))
	}
	for _, w := range r.Wheels {
		for _, s := range addContents(g, env, r, l, w) {
			needs = append(needs, s)
		}
	}
	files := stage.Add(g, "files", func(ctx context.Context, run *stage.Run) (*Fetched, error) {
		got, err := fetchFiles(ctx, env, r, l, b.Value(), run)
		if err == nil {
			got.Received += debs.Value().Received
		}
		return got, err
	}, b)
	needs = append(needs, files)
	return stage.Add(g, "fetched", func(context.Context, *stage.Run) (*Fetched, error) {
		return files.Value(), nil
	}, needs...), nil
}

// lockedPins are all files of indexes and archives that the lock needs, each
// once.
func lockedPins(env host.Env, r *recipe.Recipe, l *recipe.Lock, b *base.Base) ([]index.Pin, error) {
	var all []index.Pin
	seen := map[string]bool{}
	add := func(p index.Pin) {
		if !seen[p.SHA256] {
			seen[p.SHA256] = true
			all = append(all, p)
		}
	}
	for _, f := range l.UV {
		add(environments.UVPin(f))
	}
	for _, f := range l.Files {
		add(sources.FilePin(f))
	}
	for _, p := range packages.Pins(env, l.Packages.All()) {
		add(p)
	}
	var faults []error
	for _, m := range r.Manifests {
		locked, err := sources.LockedManifest(m, l)
		if err != nil {
			return nil, err
		}
		files, err := sources.ManifestPins(m, locked)
		faults = append(faults, err)
		for _, p := range files {
			add(p)
		}
	}
	for _, set := range l.Sets() {
		chosen, err := environments.Pins(b, *set)
		faults = append(faults, err)
		for _, p := range chosen {
			add(p)
		}
	}
	return all, errors.Join(faults...)
}

func fetchFiles(ctx context.Context, env host.Env, r *recipe.Recipe, l *recipe.Lock, b *base.Base, run *stage.Run) (*Fetched, error) {
	all, err := lockedPins(env, r, l, b)
	if err != nil {
		return nil, err
	}
	got, err := host.Fetch(ctx, env, all, run)
	if err != nil {
		return nil, err
	}
	if got.Received == 0 {
		run.Hit("every file is in the store")
	}
	return &Fetched{Pins: all, Files: got.Files, Bytes: got.Bytes, Received: got.Received, Base: b}, nil
}
