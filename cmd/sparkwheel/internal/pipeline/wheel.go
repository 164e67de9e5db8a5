package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Wheel is a built wheel in the store.
type Wheel struct {
	Name     string // the recipe's name of it
	Path     string
	File     string
	SHA256   string
	Size     int64
	Version  string
	Requires []index.Pin // the build environment
	Repairs  []requirements.Change
}

// buildPlan is everything that one wheel's build depends on.
type buildPlan struct {
	recipe recipe.Wheel
	source recipe.Source
	locked recipe.LockedSource
	tree   *Tree
	base   *Base
	uv     Tool
	pins   []index.Pin
	inputs []input
	// contents are what CMake finds in place of what it would fetch.
	contents []content
	// isolation is the sandbox's mode: a wheel that was built unconfined is
	// another wheel, and says so in build.json.
	isolation sandbox.Mode
	host      *HostRoot // nil when the base is the build's root
}

func (b buildPlan) values() recipe.Values {
	return recipe.Values{Version: b.locked.Version, Commit: b.locked.Commit, Short: b.locked.Commit[:8]}
}

// key covers every input of the build by content; where inputs lie on this
// host, and how many processors it lends, are not among them.
func (b buildPlan) key() store.Key {
	w := b.recipe
	h := store.NewHash("wheel "+w.Name).Field("form", "2").Field("sandbox", sandbox.Version).Field("isolation", string(b.isolation))
	h = h.Field("tree", b.tree.Key).Field("files", jsonText(b.files())).Field("base", b.base.BuildDigest)
	h = h.Field("uv", b.uv.SHA256).Field("python", b.python())
	h = h.Field("wheel", jsonText(w)).Field("environment", jsonText(b.environment()))
	h = h.Field("epoch", b.locked.Time.UTC().Format("2006-01-02T15:04:05Z"))
	if b.host != nil {
		h = h.Field("host", jsonText(b.host))
	}
	for _, p := range b.pins {
		h = h.Field("requires "+p.Name, p.SHA256)
	}
	for _, in := range b.inputs {
		h = h.Field("input "+in.name, in.digest)
	}
	for _, c := range b.contents {
		h = h.Field("fetchcontent "+c.name(), c.tree.Key)
	}
	return h.Key()
}

func (b buildPlan) files() map[string]string {
	out := map[string]string{}
	for name, text := range b.source.Files {
		out[name] = recipe.Expand(text, b.values())
	}
	return out
}

func (b buildPlan) environment() []string {
	var out []string
	variables := withContents(b.recipe.Environment, b.recipe.FetchContent, b.contents)
	for _, k := range slices.Sorted(maps.Keys(variables)) {
		out = append(out, k+"="+recipe.Expand(variables[k], b.values()))
	}
	return out
}

func (b buildPlan) spec(ctx context.Context, env Env, wheels map[string]string) (builder.Spec, error) {
	files := b.files()
	if path := b.recipe.TrackedFiles; path != "" {
		list, err := trackedFiles(filepath.Join(b.tree.Dir, b.recipe.Subdirectory))
		if err != nil {
			return builder.Spec{}, err
		}
		files[filepath.Join(b.recipe.Subdirectory, path)] = list
	}
	spec := builder.Spec{
		Source: b.tree.Dir, Subdir: b.recipe.Subdirectory, Files: files,
		Python: b.python(), UV: b.uv.Path, Wheels: wheels,
		Env: b.environment(), Config: b.recipe.Config, Epoch: b.locked.Time,
		Distribution: b.recipe.Distribution, Frontend: b.recipe.Frontend,
		Jobs: env.Jobs, MemoryPerJob: b.recipe.MemoryPerJob, CPUs: b.recipe.CPUs,
		Launcher: env.Launcher, CCache: env.Store.Path("ccache"),
		NoRepack: !b.recipe.Repack,
	}
	var err error
	if spec.Mounts, err = mounts(ctx, env, b.inputs); err != nil {
		return builder.Spec{}, err
	}
	for _, c := range b.contents {
		spec.Trees = append(spec.Trees, builder.Tree{Source: c.tree.Dir, Target: c.place(), At: c.locked.Time})
	}
	for _, s := range b.recipe.Shims {
		spec.Shims = append(spec.Shims, builder.Shim(s))
	}
	return spec, nil
}

// needed are the files that the build needs in the store.
func (b buildPlan) needed() []index.Pin {
	all := slices.Clone(b.pins)
	for _, in := range b.inputs {
		all = append(all, in.pins...)
	}
	return all
}

// wheelFiles are the build requirements in the store, by file name.
func (b buildPlan) wheelFiles(env Env) map[string]string {
	wheels := map[string]string{}
	for _, p := range b.pins {
		wheels[p.File] = p.Path(env.blobs())
	}
	return wheels
}

// trackedFiles lists a checkout's files as git would: a line each, sorted.
func trackedFiles(dir string) (string, error) {
	var list strings.Builder
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list.WriteString(path + "\n")
		}
		return err
	})
	return list.String(), err
}

// build makes the wheel, or finds it in the store under the key of all its
// inputs. Its requirements are fetched only when it has to be made.
func (b buildPlan) build(ctx context.Context, env Env, r *stage.Run) (*Wheel, error) {
	env = env.noting(r)
	dir, hit, err := env.Store.Do(ctx, store.Stage, b.key(), func(dir string) error { return b.fill(ctx, env, dir, r) })
	if err != nil {
		return nil, fmt.Errorf("building wheel %s: %w", b.recipe.Name, err)
	}
	if hit {
		r.Hit("built before")
	}
	w, err := readWheel(dir)
	if err != nil {
		return nil, fmt.Errorf("wheel %s in the store: %w", b.recipe.Name, err)
	}
	w.Name, w.Requires = b.recipe.Name, b.pins
	return w, nil
}

func (b buildPlan) fill(ctx context.Context, env Env, dir string, r *stage.Run) error {
	if _, err := fetchAll(ctx, env, b.needed(), r); err != nil {
		return err
	}
	box := &sandbox.Sandbox{Root: b.root(), Mode: env.Sandbox}
	spec, err := b.spec(ctx, env, b.wheelFiles(env))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(spec.CCache, 0o777); err != nil {
		return err
	}
	built, err := builder.Wheels(ctx, box, spec, dir, r)
	if err != nil {
		return err
	}
	if err := b.tellTruth(ctx, built[0], r); err != nil {
		return err
	}
	return verifyWheel(ctx, built[0], r)
}

// verifyWheel refuses a wheel with faults and tells of what is merely odd.
func verifyWheel(ctx context.Context, path string, r *stage.Run) error {
	warnings, err := wheel.Verify(ctx, path)
	noteOdd(r, path, warnings)
	return err
}

func noteOdd(r *stage.Run, path string, warnings []wheel.Fault) {
	for _, w := range warnings {
		r.Note("%s: %s: %s", filepath.Base(path), w.Path, w.Message)
	}
}

func readWheel(dir string) (*Wheel, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%d wheels where one was built", len(files))
	}
	name, err := wheel.ParseFilename(filepath.Base(files[0]))
	if err != nil {
		return nil, err
	}
	sum, size, err := hashFile(files[0])
	if err != nil {
		return nil, err
	}
	repairs, err := readRepairs(dir)
	if err != nil {
		return nil, err
	}
	return &Wheel{Path: files[0], File: filepath.Base(files[0]), SHA256: sum, Size: size, Version: name.Version.String(), Repairs: repairs}, nil
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
