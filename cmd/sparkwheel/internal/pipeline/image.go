package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing/fstest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Result is what a build made.
type Result struct {
	Wheels  []*Wheel
	Record  *Record
	Commits map[string]string // marker file -> text
	// Constraints holds every distribution of the image, and what a shim stands
	// in for, at its version.
	Constraints string
	Allowed     []truth.Fault // faults accepted by name, of an image without a record
	Image       v1.Image      // nil when only wheels were asked for
	Layers      []Layer
}

// Layer is a layer of the image that this build made.
type Layer struct {
	Blob   *layer.Blob
	Wheels []string
}

// Build adds the stages that make the lock's wheels and, with image, the image.
// names are the recipe's wheels to make; nil means all. strict judges the image.
func Build(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock, names []string, image bool, strict Strictness) (*stage.Stage[*Result], error) {
	b, err := newBuilding(g, env, r, l)
	if err != nil {
		return nil, err
	}
	needs, err := b.addWheels(g, names)
	if err != nil {
		return nil, err
	}
	return stage.Add(g, "image", func(ctx context.Context, run *stage.Run) (*Result, error) {
		res := b.result()
		if !image {
			return res, nil
		}
		if err := b.judge(strict, res, run); err != nil {
			return nil, err
		}
		return res, assemble(ctx, env, r, l, b.base.Value(), res, run)
	}, needs...), nil
}

// building gathers the stages of one build.
type building struct {
	env    Env
	recipe *recipe.Recipe
	lock   *recipe.Lock
	base   *stage.Stage[*Base]
	uv     *stage.Stage[Tool]
	trees  map[string]*stage.Stage[*Tree]
	wheels []namedWheel
}

// namedWheel is the stage that makes a wheel.
type namedWheel struct {
	name  string
	stage *stage.Stage[madeWheel]
}

func newBuilding(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock) (*building, error) {
	platform, err := env.hostPlatform(r)
	if err != nil {
		return nil, err
	}
	b := &building{env: env, recipe: r, lock: l, trees: map[string]*stage.Stage[*Tree]{}}
	b.base = stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return unpackedBase(ctx, env, l.Base.Reference, l.Base.Digest, platform, run)
	})
	b.uv = stage.Add(g, "uv", func(ctx context.Context, run *stage.Run) (Tool, error) {
		return fetchUV(ctx, env, l.UV, platform, run)
	})
	return b, nil
}

// addWheels adds the stages of the wheels named; nil means every one.
func (b *building) addWheels(g *stage.Graph, names []string) ([]stage.Need, error) {
	needs := []stage.Need{b.base}
	for _, w := range b.recipe.Wheels {
		if names != nil && !slices.Contains(names, w.Name) {
			continue
		}
		s, err := b.add(g, w)
		if err != nil {
			return nil, err
		}
		needs = append(needs, s)
	}
	return needs, nil
}

type madeWheel struct {
	plan  buildPlan
	wheel *Wheel
}

func (b *building) tree(g *stage.Graph, name string) (*stage.Stage[*Tree], error) {
	if s, ok := b.trees[name]; ok {
		return s, nil
	}
	src, _ := b.recipe.Source(name)
	locked, ok := b.lock.Source(name)
	if !ok {
		return nil, &NotLockedError{"source " + name}
	}
	b.trees[name] = stage.Add(g, "source "+name, func(ctx context.Context, run *stage.Run) (*Tree, error) {
		return lockedSource(ctx, b.env, *src, *locked, recipeDir(b.recipe), run)
	})
	return b.trees[name], nil
}

// NotLockedError names something that the recipe asks for and the lock lacks.
type NotLockedError struct{ What string }

func (e *NotLockedError) Error() string {
	return "the lock does not hold " + e.What + "; run `sparkwheel lock`"
}

func (b *building) add(g *stage.Graph, w recipe.Wheel) (stage.Need, error) {
	tree, err := b.tree(g, w.Source)
	if err != nil {
		return nil, err
	}
	src, _ := b.recipe.Source(w.Source)
	locked, _ := b.lock.Source(w.Source)
	set, ok := b.lock.Wheel(w.Name)
	if !ok {
		return nil, &NotLockedError{"wheel " + w.Name}
	}
	s := stage.Add(g, "wheel "+w.Name, func(ctx context.Context, run *stage.Run) (madeWheel, error) {
		all, err := pins(b.base.Value(), set.LockedSet)
		if err != nil {
			return madeWheel{}, err
		}
		plan := buildPlan{w, *src, *locked, tree.Value(), b.base.Value(), b.uv.Value(), all, b.env.Sandbox}
		made, err := plan.build(ctx, b.env, run)
		return madeWheel{plan, made}, err
	}, tree, b.base, b.uv)
	b.wheels = append(b.wheels, namedWheel{w.Name, s})
	return s, nil
}

func (b *building) result() *Result {
	res := &Result{Record: newRecord(b.recipe, b.lock), Commits: Commits(b.recipe, b.lock)}
	for _, src := range b.recipe.Sources {
		if s, ok := b.trees[src.Name]; ok {
			locked, _ := b.lock.Source(src.Name)
			res.Record.Sources = append(res.Record.Sources, recordSource(src, *locked, s.Value()))
		}
	}
	for _, s := range b.wheels {
		made := s.stage.Value()
		res.Wheels = append(res.Wheels, made.wheel)
		res.Record.Wheels = append(res.Record.Wheels, recordWheel(made.plan, made.wheel))
	}
	return res
}

// assemble writes a layer for each wheel and one for the record, and puts them
// on the base.
func assemble(ctx context.Context, env Env, r *recipe.Recipe, l *recipe.Lock, base *Base, res *Result, run *stage.Run) error {
	var blobs []*layer.Blob
	for _, w := range res.Wheels {
		blob, err := WheelLayer(ctx, env, base.Python.Scheme, w.Path, w.SHA256)
		if err != nil {
			return err
		}
		blobs = append(blobs, blob)
		res.Layers = append(res.Layers, Layer{blob, []string{w.File}})
	}
	blob, err := recordLayer(ctx, env, res)
	if err != nil {
		return err
	}
	blobs = append(blobs, blob)
	res.Layers = append(res.Layers, Layer{Blob: blob})
	res.Image, err = layer.Append(base.Image, imageConfig(r, l), blobs...)
	if err != nil {
		return fmt.Errorf("assembling the image: %w", err)
	}
	digest, err := res.Image.Digest()
	if err != nil {
		return err
	}
	logf(run, "image %s: %d layers on base %s", digest, len(blobs), base.Digest)
	return nil
}

// WheelLayer writes a wheel as a layer, once for each wheel, scheme and form.
func WheelLayer(ctx context.Context, env Env, s install.Scheme, path, sum string) (*layer.Blob, error) {
	name := filepath.Base(path)
	key := store.NewHash("layer "+name).Field("form", "1").Field("wheel", sum).Field("scheme", jsonText(s)).Key()
	dir, _, err := env.Store.Do(ctx, "stage", key, func(dir string) error {
		w, err := wheel.Open(path)
		if err != nil {
			return err
		}
		defer w.Close()
		tree, err := install.Tree(s, w)
		if err != nil {
			return err
		}
		_, err = layer.Write(ctx, dir, tree, layer.Options{Jobs: env.Jobs, Comment: name})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the layer of %s: %w", name, err)
	}
	return layer.Open(dir)
}

func layerKey(name, sum string, s install.Scheme) store.Key {
	return store.NewHash("layer "+name).Field("form", "1").Field("wheel", sum).Field("scheme", jsonText(s)).Key()
}

// constraintsPath is where the image holds its distributions' versions: pip and
// uv read it, so that a later installation cannot replace what was built.
const constraintsPath = "workspace/constraints.txt"

// recordLayer is the small layer that says what the image is made of.
func recordLayer(ctx context.Context, env Env, res *Result) (*layer.Blob, error) {
	record, err := res.Record.JSON()
	if err != nil {
		return nil, err
	}
	files := fstest.MapFS{
		"workspace/build.json": {Data: record, Mode: 0o644},
		constraintsPath:        {Data: []byte(res.Constraints), Mode: 0o644},
	}
	for name, text := range res.Commits {
		files["workspace/wheels/"+name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return smallLayer(ctx, env, "record", files)
}

func smallLayer(ctx context.Context, env Env, name string, files fstest.MapFS) (*layer.Blob, error) {
	h := store.NewHash("layer "+name).Field("form", "1")
	for _, path := range sortedKeys(files) {
		sum := sha256.Sum256(files[path].Data)
		h = h.Field(path, hex.EncodeToString(sum[:]))
	}
	dir, _, err := env.Store.Do(ctx, store.Stage, h.Key(), func(dir string) error {
		_, err := layer.Write(ctx, dir, fs.FS(files), layer.Options{Jobs: env.Jobs})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("writing the %s layer: %w", name, err)
	}
	return layer.Open(dir)
}

func imageConfig(r *recipe.Recipe, l *recipe.Lock) layer.Config {
	c := layer.Config{
		WorkDir: r.Image.WorkDir, Entrypoint: r.Image.Entrypoint, Cmd: r.Image.Cmd,
		Labels: map[string]string{}, Created: newest(l),
	}
	environment := map[string]string{"PIP_CONSTRAINT": "/" + constraintsPath, "UV_CONSTRAINT": "/" + constraintsPath}
	maps.Copy(environment, r.Image.Environment)
	for _, k := range sortedKeys(environment) {
		c.Env = append(c.Env, k+"="+environment[k])
	}
	for k, v := range r.Image.Labels {
		c.Labels[k] = v
	}
	for _, s := range l.Sources {
		c.Labels["org.sparkwheel."+s.Name+".commit"] = s.Commit
	}
	c.Labels["org.opencontainers.image.base.digest"] = l.Base.Digest
	if !isPath(l.Base.Reference) {
		c.Labels["org.opencontainers.image.base.name"] = l.Base.Reference
	}
	return c
}

// newest is the time of the newest commit: what stands for "now" in an image.
func newest(l *recipe.Lock) time.Time {
	var t time.Time
	for _, s := range l.Sources {
		if s.Time.After(t) {
			t = s.Time
		}
	}
	return t
}
