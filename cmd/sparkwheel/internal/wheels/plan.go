// Package wheels owns the wheels that are built here: the key of all that one
// depends on, its build, its verification and the repair of its metadata.
package wheels

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Settle finds what the plan's root is where the recipe leaves it to the host.
func (b *Plan) Settle() (err error) {
	if b.Recipe.Root == "host" {
		b.Host, err = base.ReadHost("/", b.Base.Python.Version)
	}
	return err
}

// root is the directory that the build's sandbox has as its root.
func (b *Plan) root() string {
	if b.Host != nil {
		return "/"
	}
	return b.Base.BuildRoot
}

// python is the interpreter in that root.
func (b *Plan) python() string {
	if b.Host != nil {
		return b.Host.Python
	}
	return b.Base.Python.Path
}

// Plan is everything that one wheel's build depends on.
type Plan struct {
	Recipe recipe.Wheel
	Source recipe.Source
	Locked recipe.LockedSource
	Target sources.Target
	Tree   *sources.Tree
	Base   *base.Base
	UV     environments.Tool
	Pins   []index.Pin
	Inputs []sources.Input
	// contents are what CMake finds in place of what it would fetch.
	Contents []sources.Content
	// isolation is the sandbox's mode: a wheel that was built unconfined is
	// another wheel, and says so in build.json.
	Isolation sandbox.Mode
	// Agree looks at the version that the backend foretells; nil takes any. It is no
	// input of the build.
	Agree func(version.Version) error
	// Gate judges GPU code while it is compiled; it is no input of the build.
	Gate *launcher.Gate
	Host *base.HostRoot // nil when the base is the build's root
}

// Key is the key of Entry.
func (b Plan) Key() store.Key { return b.Entry().Key }

// Entry is the wheel in the store, under a key that covers every input of the
// build by content; where inputs lie on this host, and how many processors it
// lends, are not among them.
func (b Plan) Entry() host.Entry {
	w := b.Recipe
	h := store.NewHash("wheel "+w.Name).Field("form", "2").Field("sandbox", sandbox.Version).Field("isolation", string(b.Isolation))
	h = h.Field("tree", b.Tree.Key).Field("files", host.JSON(sources.Files(b.Source, b.Locked, b.Target))).Field("base", b.Base.BuildDigest)
	h = h.Field("uv", b.UV.SHA256).Field("python", b.python())
	h = h.Field("wheel", host.JSON(w)).Field("environment", host.JSON(b.Environment()))
	h = h.Field("epoch", b.Locked.Time.UTC().Format("2006-01-02T15:04:05Z"))
	if b.Host != nil {
		h = h.Field("host", host.JSON(b.Host))
	}
	for _, p := range b.Pins {
		h = h.Field("requires "+p.Name, p.SHA256)
	}
	for _, in := range b.Inputs {
		h = h.Field("input "+in.Name, in.Digest)
	}
	for _, c := range b.Contents {
		h = h.Field("fetchcontent "+c.Name(), c.Tree.Key)
	}
	return host.Entry{Name: "wheel " + w.Name, Kind: store.Stage, Key: h.Key(), Pins: b.Needed()}
}

// Environment is what the build's environment has beside the builder's own, as
// "NAME=value", sorted: the recipe's, and where to find the contents.
func (b Plan) Environment() []string {
	var out []string
	variables := sources.WithContents(b.Recipe.Environment, b.Recipe.FetchContent, b.Contents)
	for _, k := range slices.Sorted(maps.Keys(variables)) {
		out = append(out, k+"="+recipe.Expand(variables[k], sources.Values(b.Locked, b.Target)))
	}
	return out
}

func (b Plan) spec(ctx context.Context, env host.Env, wheels map[string]string) (builder.Spec, error) {
	files := sources.Files(b.Source, b.Locked, b.Target)
	if path := b.Recipe.TrackedFiles; path != "" {
		list, err := trackedFiles(filepath.Join(b.Tree.Dir, b.Recipe.Subdirectory))
		if err != nil {
			return builder.Spec{}, err
		}
		files[filepath.Join(b.Recipe.Subdirectory, path)] = list
	}
	variables := b.Environment()
	if b.Host == nil {
		var err error
		if variables, err = b.Base.Environment(variables); err != nil {
			return builder.Spec{}, fmt.Errorf("reading the environment of base %s: %w", b.Base.Reference, err)
		}
	}
	spec := builder.Spec{
		Source: b.Tree.Dir, Subdir: b.Recipe.Subdirectory, Files: files,
		Python: b.python(), UV: b.UV.Path, Wheels: wheels,
		Env: variables, Config: b.Recipe.Config, Epoch: b.Locked.Time,
		Distribution: b.Recipe.Distribution, Frontend: b.Recipe.Frontend,
		Jobs: env.Jobs, MemoryPerJob: b.Recipe.MemoryPerJob, CPUs: b.Recipe.CPUs,
		Launcher: env.Launcher, CCache: env.Store.Path("ccache"), Gate: gateWith(env.Launcher, b.Gate),
		Foretold: b.foretold, NoRepack: !b.Recipe.Repack, LeaveOut: b.Recipe.LeaveOut,
	}
	var err error
	if spec.Mounts, err = sources.Mounts(ctx, env, b.Inputs); err != nil {
		return builder.Spec{}, err
	}
	for _, c := range b.Contents {
		spec.Trees = append(spec.Trees, builder.Tree{Source: c.Tree.Dir, Target: c.Place(), At: c.Locked.Time})
	}
	for _, s := range b.Recipe.Shims {
		spec.Shims = append(spec.Shims, builder.Shim{Name: s.Name, Version: s.Version, Files: s.Files})
	}
	return spec, nil
}

// gateWith is the gate where a launcher can hold it.
func gateWith(program string, g *launcher.Gate) *launcher.Gate {
	if program == "" {
		return nil
	}
	return g
}

// Needed are the files that the build needs in the store.
func (b Plan) Needed() []index.Pin {
	all := slices.Clone(b.Pins)
	for _, in := range b.Inputs {
		all = append(all, in.Pins...)
	}
	return all
}

// wheelFiles are the build requirements in the store, by file name.
func (b Plan) wheelFiles(env host.Env) map[string]string {
	wheels := map[string]string{}
	for _, p := range b.Pins {
		wheels[p.File] = p.Path(env.Blobs())
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
