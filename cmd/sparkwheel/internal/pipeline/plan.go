package pipeline

import (
	"fmt"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
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
	env    Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	steps  []Step
}

// Plan says of each stage of a build whether it is in the store, and if not,
// why not. names and image are as Build takes them. It runs nothing, asks nobody
// and changes nothing.
func Plan(env Env, r *recipe.Recipe, l *recipe.Lock, names []string, image bool) ([]Step, error) {
	p := &planning{env: env, recipe: r, lock: l}
	p.look("base", store.Stage, baseKey(l.Base.Digest))
	rootfs, err := store.DigestKey(l.Base.Digest)
	if err != nil {
		return nil, fmt.Errorf("the lock's base: %w", err)
	}
	p.look("base unpacked", store.Rootfs, rootfs)
	if err := p.packages(); err != nil {
		return nil, err
	}
	var uv Tool
	if len(r.Wheels) > 0 {
		if uv, err = p.uv(); err != nil {
			return nil, err
		}
	}
	base := p.base()
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
		if err := p.wheel(w, trees[w.Source], base, uv, image); err != nil {
			return nil, err
		}
	}
	if image {
		err = p.image(base)
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
	for _, set := range packageSets(p.lock.Base.Digest, p.lock.Packages) {
		if len(set.debs) == 0 {
			continue
		}
		step := p.look(set.name, store.Stage, set.key)
		if !step.Hit {
			step.BytesToFetch = p.missing(debPins(p.env, set.debs))
		}
		rootfs, err := store.DigestKey(set.digest)
		if err != nil {
			return err
		}
		p.look(set.name+" unpacked", store.Rootfs, rootfs)
	}
	return nil
}

// uv is the key's part of this host's uv.
func (p *planning) uv() (Tool, error) {
	for _, f := range p.lock.UV {
		if f.Platform == p.env.Host.String() {
			pin := uvPin(f)
			step := p.look("uv", store.Tools, uvKey(f))
			if !step.Hit {
				step.BytesToFetch = p.missing([]index.Pin{pin})
			}
			return Tool{SHA256: f.SHA256}, nil
		}
	}
	return Tool{}, &NotLockedError{"uv for " + p.env.Host.String()}
}

func (p *planning) missing(all []index.Pin) int64 {
	var n int64
	for _, pin := range all {
		if !pin.Present(p.env.blobs()) {
			n += pin.Size
		}
	}
	return n
}

// base is the base as far as the store knows it; nil when it is not unpacked or
// its interpreter has not been asked yet.
func (p *planning) base() *Base {
	sets := packageSets(p.lock.Base.Digest, p.lock.Packages)
	rootfs, err := store.DigestKey(sets[0].digest)
	if err != nil {
		return nil
	}
	platform, err := v1.ParsePlatform(p.lock.Platform)
	if err != nil {
		return nil
	}
	b := &Base{
		Reference: p.lock.Base.Reference, Digest: sets[0].digest, BuildDigest: sets[1].digest, Platform: *platform,
		Root: p.env.Store.Path(store.Rootfs, rootfs.String(), "files", "root"),
	}
	if b.runsHere(p.env) {
		dir := p.env.Store.Path(store.Stage, answerKey(b.Digest).String(), "files")
		b.Python, err = readAnswer(dir, p.lock.Base.Interpreter)
	} else {
		b.Python, err = readPython(b.Root, platform.Architecture, "")
	}
	if err == nil {
		b.Shape, err = readShape(filepath.Dir(b.Root))
	}
	if err != nil {
		return nil
	}
	return b
}

func (p *planning) source(r *recipe.Recipe, src recipe.Source) (store.Key, error) {
	locked, ok := p.lock.Source(src.Name)
	if !ok {
		return store.Key{}, &NotLockedError{"source " + src.Name}
	}
	patches, err := readPatches(r.Dir(), src.Patches)
	if err != nil {
		return store.Key{}, err
	}
	key := treeKey(src, git.Commit{Hash: locked.Commit}, patches)
	p.look("source "+src.Name, store.Stage, key)
	return key, nil
}

func (p *planning) wheel(w recipe.Wheel, tree store.Key, base *Base, uv Tool, image bool) error {
	set, ok := p.lock.Wheel(w.Name)
	if !ok {
		return &NotLockedError{"wheel " + w.Name}
	}
	if base == nil {
		p.steps = append(p.steps, Step{Name: "wheel " + w.Name, Reason: notUnpacked})
		return nil
	}
	all, err := pins(base, set.LockedSet)
	if err != nil {
		return err
	}
	inputs, err := inputsOf(p.recipe, p.lock, w)
	if err != nil {
		return err
	}
	contents, err := p.contents(w)
	if err != nil {
		return err
	}
	src, _ := p.recipe.Source(w.Source)
	locked, _ := p.lock.Source(w.Source)
	plan := buildPlan{
		recipe: w, source: *src, locked: *locked, tree: &Tree{Key: tree.String()}, base: base, uv: uv,
		pins: all, inputs: inputs, contents: contents, isolation: p.env.Sandbox,
	}
	if err := plan.settle(); err != nil {
		return err
	}
	step := p.look("wheel "+w.Name, store.Stage, plan.key())
	switch {
	case !step.Hit:
		step.BytesToFetch = p.missing(plan.needed())
		if image {
			p.steps = append(p.steps, Step{Name: "layer " + w.Name, Reason: "wheel " + w.Name + " is built first"})
		}
	case image:
		return p.layer(base, plan)
	}
	return nil
}

// contents looks at the trees of what the wheel's CMake files would fetch.
func (p *planning) contents(w recipe.Wheel) ([]content, error) {
	var all []content
	for _, c := range lockedContents(w, p.lock) {
		patches, err := readPatches(p.recipe.Dir(), c.source.Patches)
		if err != nil {
			return nil, err
		}
		key := treeKey(c.source, git.Commit{Hash: c.Commit}, patches)
		p.look(c.stage(w), store.Stage, key)
		all = append(all, content{c.LockedContent, &Tree{Key: key.String()}})
	}
	return all, nil
}

func (p *planning) layer(base *Base, plan buildPlan) error {
	dir := p.env.Store.Path(store.Stage, plan.key().String(), "files")
	made, err := readWheel(dir)
	if err != nil {
		return fmt.Errorf("wheel %s in the store: %w", plan.recipe.Name, err)
	}
	p.look("layer "+plan.recipe.Name, store.Stage, groupKey([]member{{file: made.File, sha256: made.SHA256}}, schemeOf(base, p.recipe), base.Shape))
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
