package pipeline

import (
	"context"
	"errors"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
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

// Fetch gives the part of a build of the whole recipe that downloads, and all
// else that the lock names: the base with its packages, the sources' trees, and
// the files that the other stages would download. A file's failure stops no
// other; the next fetch brings what is missing.
func Fetch(g *stage.Graph, req Request) (*stage.Graph, *stage.Stage[*Fetched], error) {
	req.Wheels, req.Image, req.Output, req.Push = nil, true, "", nil
	b := newBuild(g, req)
	debs := stage.Add(g, "packages", func(ctx context.Context, run *stage.Run) (index.Fetched, error) {
		return host.Fetch(ctx, b.Env.Noting(run), packages.Pins(b.Env, b.Lock.Packages.All()), run)
	})
	if _, err := b.add(debs); err != nil {
		return nil, nil, err
	}
	for _, src := range b.Recipe.Sources { // also those that no wheel is built from
		if _, err := b.tree(src.Name); err != nil {
			return nil, nil, err
		}
	}
	files := stage.Add(g, "all files", func(ctx context.Context, run *stage.Run) (*Fetched, error) {
		return b.fetchPins(ctx, debs.Value(), run)
	}, b.base)
	fetched := stage.Add(g, "fetched", func(context.Context, *stage.Run) (*Fetched, error) {
		return files.Value(), nil
	}, append(b.fetched, files)...)
	return g.Part(fetched), fetched, nil
}

func (b *build) fetchPins(ctx context.Context, debs index.Fetched, run *stage.Run) (*Fetched, error) {
	all, err := b.allPins()
	if err != nil {
		return nil, err
	}
	got, err := host.Fetch(ctx, b.Env, all, run)
	if err != nil {
		return nil, err
	}
	if got.Received == 0 {
		run.Hit()
	}
	return &Fetched{Pins: all, Files: got.Files, Bytes: got.Bytes, Received: got.Received + debs.Received, Base: b.base.Value()}, nil
}

// allPins are the files that the build's stages download, and all others that
// the lock names, each once.
func (b *build) allPins() ([]index.Pin, error) {
	var all []index.Pin
	seen := map[string]bool{}
	add := func(pins ...index.Pin) {
		for _, p := range pins {
			if !seen[p.SHA256] {
				seen[p.SHA256] = true
				all = append(all, p)
			}
		}
	}
	for _, f := range b.Lock.UV { // of every platform: a lock can be made anew on each
		add(environments.UVPin(f))
	}
	for _, f := range b.Lock.Files {
		add(sources.FilePin(f))
	}
	add(sources.PatchPins(b.Recipe.Patches())...)
	add(packages.Pins(b.Env, b.Lock.Packages.All())...)
	var faults []error
	for _, m := range b.Recipe.Manifests {
		locked, err := sources.LockedManifest(m, b.Lock)
		if err != nil {
			return nil, err
		}
		files, err := sources.ManifestPins(m, locked)
		faults = append(faults, err)
		add(files...)
	}
	for _, pins := range b.pins {
		chosen, err := pins()
		faults = append(faults, err)
		add(chosen...)
	}
	return all, errors.Join(faults...)
}
