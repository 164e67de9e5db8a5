package pipeline

import (
	"fmt"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Step is one stage of a build as the store stands now.
type Step struct {
	Name         string  `json:"name"`
	Key          string  `json:"key"`
	Hit          bool    `json:"hit"`
	Reason       string  `json:"reason"`         // of a miss: which inputs changed
	BytesToFetch int64   `json:"bytes_to_fetch"` // of files whose size the lock tells
	LastSeconds  float64 `json:"last_seconds"`   // what it, or its last version, took
}

// planning looks at the store and runs nothing.
type planning struct {
	env    host.Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	steps  []Step
}

// Plan says of each stage of a build whether it is in the store, and if not,
// why not. names and image are as Build takes them. It runs nothing, asks nobody
// and changes nothing.
func Plan(env host.Env, r *recipe.Recipe, l *recipe.Lock, names []string, image bool) ([]Step, error) {
	p := &planning{env: env, recipe: r, lock: l}
	p.look("base", store.Stage, base.Key(l.Base.Digest))
	rootfs, err := store.DigestKey(l.Base.Digest)
	if err != nil {
		return nil, fmt.Errorf("the lock's base: %w", err)
	}
	p.look("base unpacked", store.Rootfs, rootfs)
	if err := p.packages(); err != nil {
		return nil, err
	}
	var uv environments.Tool
	if len(r.Wheels) > 0 {
		if uv, err = p.uv(); err != nil {
			return nil, err
		}
	}
	b := p.base()
	trees := map[string]store.Key{}
	for _, src := range r.Sources {
		if trees[src.Name], err = p.source(r, src); err != nil {
			return nil, err
		}
	}
	for _, w := range r.Wheels {
		if names != nil && !slices.Contains(names, w.Name) {
			continue
		}
		if err := p.wheel(w, trees[w.Source], b, uv, image); err != nil {
			return nil, err
		}
	}
	if image {
		err = p.image(b)
	}
	return p.steps, err
}

func (p *planning) look(name, kind string, key store.Key) *Step {
	x := p.env.Store.Explain(kind, key)
	p.steps = append(p.steps, Step{Name: name, Key: key.String(), Hit: x.Hit, Reason: x.Reason, LastSeconds: x.Seconds})
	return &p.steps[len(p.steps)-1]
}

// packages are the steps that add packages to the base.
func (p *planning) packages() error {
	for _, set := range packages.Sets(p.lock.Base.Digest, p.lock.Packages) {
		if len(set.Debs) == 0 {
			continue
		}
		step := p.look(set.Name, store.Stage, set.Key)
		if !step.Hit {
			step.BytesToFetch = p.missing(packages.Pins(p.env, set.Debs))
		}
		rootfs, err := store.DigestKey(set.Digest)
		if err != nil {
			return err
		}
		p.look(set.Name+" unpacked", store.Rootfs, rootfs)
	}
	return nil
}

// uv is the key's part of this host's uv.
func (p *planning) uv() (environments.Tool, error) {
	for _, f := range p.lock.UV {
		if f.Platform == p.env.Host.String() {
			pin := environments.UVPin(f)
			step := p.look("uv", store.Tools, environments.UVKey(f))
			if !step.Hit {
				step.BytesToFetch = p.missing([]index.Pin{pin})
			}
			return environments.Tool{SHA256: f.SHA256}, nil
		}
	}
	return environments.Tool{}, &host.NotLockedError{What: "uv for " + p.env.Host.String()}
}

func (p *planning) missing(all []index.Pin) int64 {
	var n int64
	for _, pin := range all {
		if !pin.Present(p.env.Blobs()) {
			n += pin.Size
		}
	}
	return n
}

// base is the base as far as the store knows it; nil when it is not unpacked or
// its interpreter has not been asked yet.
func (p *planning) base() *base.Base {
	sets := packages.Sets(p.lock.Base.Digest, p.lock.Packages)
	rootfs, err := store.DigestKey(sets[0].Digest)
	if err != nil {
		return nil
	}
	platform, err := v1.ParsePlatform(p.lock.Platform)
	if err != nil {
		return nil
	}
	b := &base.Base{
		Reference: p.lock.Base.Reference, Digest: sets[0].Digest, BuildDigest: sets[1].Digest, Platform: *platform,
		Root: p.env.Store.Path(store.Rootfs, rootfs.String(), "files", "root"),
	}
	if b.RunsHere(p.env) {
		dir := p.env.Store.Path(store.Stage, base.AnswerKey(b.Digest).String(), "files")
		b.Python, err = base.ReadAnswer(dir, p.lock.Base.Interpreter)
	} else {
		b.Python, err = base.ReadPython(b.Root, platform.Architecture, "")
	}
	if err == nil {
		b.Shape, err = base.ReadShape(filepath.Dir(b.Root))
	}
	if err != nil {
		return nil
	}
	return b
}

func (p *planning) source(r *recipe.Recipe, src recipe.Source) (store.Key, error) {
	locked, ok := p.lock.Source(src.Name)
	if !ok {
		return store.Key{}, &host.NotLockedError{What: "source " + src.Name}
	}
	patches, err := sources.ReadPatches(r.Dir(), src.Patches)
	if err != nil {
		return store.Key{}, err
	}
	key := sources.Key(src, git.Commit{Hash: locked.Commit}, patches)
	p.look("source "+src.Name, store.Stage, key)
	return key, nil
}

func (p *planning) wheel(w recipe.Wheel, tree store.Key, b *base.Base, uv environments.Tool, image bool) error {
	set, ok := p.lock.Wheel(w.Name)
	if !ok {
		return &host.NotLockedError{What: "wheel " + w.Name}
	}
	if b == nil {
		p.steps = append(p.steps, Step{Name: "wheel " + w.Name, Reason: notUnpacked})
		return nil
	}
	all, err := environments.Pins(b, set.LockedSet)
	if err != nil {
		return err
	}
	inputs, err := sources.Inputs(p.recipe, p.lock, w)
	if err != nil {
		return err
	}
	contents, err := p.contents(w)
	if err != nil {
		return err
	}
	src, _ := p.recipe.Source(w.Source)
	locked, _ := p.lock.Source(w.Source)
	plan := wheels.Plan{
		Recipe: w, Source: *src, Locked: *locked, Tree: &sources.Tree{Key: tree.String()}, Base: b, UV: uv,
		Pins: all, Inputs: inputs, Contents: contents, Isolation: p.env.Sandbox,
	}
	if err := plan.Settle(); err != nil {
		return err
	}
	step := p.look("wheel "+w.Name, store.Stage, plan.Key())
	switch {
	case !step.Hit:
		step.BytesToFetch = p.missing(plan.Needed())
		if image {
			p.steps = append(p.steps, Step{Name: "layer " + w.Name, Reason: "wheel " + w.Name + " is built first"})
		}
	case image:
		return p.layer(b, plan)
	}
	return nil
}

// contents looks at the trees of what the wheel's CMake files would fetch.
func (p *planning) contents(w recipe.Wheel) ([]sources.Content, error) {
	var all []sources.Content
	for _, c := range sources.LockedContents(w, p.lock) {
		patches, err := sources.ReadPatches(p.recipe.Dir(), c.Source.Patches)
		if err != nil {
			return nil, err
		}
		key := sources.Key(c.Source, git.Commit{Hash: c.Commit}, patches)
		p.look(c.Stage(w), store.Stage, key)
		all = append(all, sources.Content{Locked: c.LockedContent, Tree: &sources.Tree{Key: key.String()}})
	}
	return all, nil
}

func (p *planning) layer(b *base.Base, plan wheels.Plan) error {
	dir := p.env.Store.Path(store.Stage, plan.Key().String(), "files")
	made, err := wheels.Read(dir)
	if err != nil {
		return fmt.Errorf("wheel %s in the store: %w", plan.Recipe.Name, err)
	}
	p.look("layer "+plan.Recipe.Name, store.Stage, image.LayerKey([]image.Member{{File: made.File, SHA256: made.SHA256}}, image.Scheme(b, p.recipe), b.Shape))
	return nil
}

// Missing are the steps that a build would have to do.
func Missing(steps []Step) []Step {
	var out []Step
	for _, s := range steps {
		if !s.Hit {
			out = append(out, s)
		}
	}
	return out
}
