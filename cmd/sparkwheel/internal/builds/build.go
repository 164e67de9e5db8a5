package builds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/google/renameio/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Made is what a build left, all of it in the store.
type Made struct {
	Name   string
	Debs   []recipe.LockedDeb // without an address: the store has them by digest
	Files  []File
	Wheels []*wheels.Wheel
}

// File is one file that a build made.
type File struct {
	Image string    // where it goes in the image
	Pin   index.Pin // without an address
}

// Build runs the build's steps, or finds in the store what they made.
func (p Plan) Build(ctx context.Context, env host.Env, run *stage.Run) (*Made, error) {
	env = env.Noting(run)
	entry := p.Entry()
	dir, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error { return p.fill(ctx, env, dir, run) })
	if err != nil {
		return nil, err
	}
	if hit {
		run.Hit("built before")
	}
	return p.read(ctx, env, dir)
}

func (p Plan) fill(ctx context.Context, env host.Env, dir string, run *stage.Run) error {
	if _, err := host.Fetch(ctx, env, p.Needed(), run); err != nil {
		return err
	}
	spec, err := p.spec(ctx, env)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(spec.CCache, 0o777); err != nil {
		return err
	}
	box := &sandbox.Sandbox{Root: p.Base.BuildRoot, Mode: env.Sandbox}
	_, err = builder.Outputs(ctx, box, spec, p.outputs(), dir, run)
	if failed, ok := errors.AsType[*builder.FailedError](err); ok && failed.Commands != nil {
		err = errors.Join(err, run.Attach(builder.CommandsFile, failed.Commands))
	}
	if err != nil {
		return err
	}
	for i, glob := range p.Recipe.Debs {
		if err := p.checkDeb(ctx, dir, i, recipe.DebName(glob)); err != nil {
			return err
		}
	}
	return nil
}

// checkDeb refuses a package of another name, or for another machine.
func (p Plan) checkDeb(ctx context.Context, dir string, i int, name string) error {
	file, err := only(dir, i)
	if err != nil {
		return err
	}
	d, err := deb.ReadFile(ctx, file)
	if err == nil {
		err = d.Check(name, d.Version, d.Architecture, p.Base.Platform.Architecture)
	}
	if err != nil {
		return fmt.Errorf("build %s made %s: %w", p.Recipe.Name, filepath.Base(file), err)
	}
	return nil
}

// read reads what the build made from its directory in the store. Packages and
// files become blobs too, by whose digests layers know them.
func (p Plan) read(ctx context.Context, env host.Env, dir string) (*Made, error) {
	m := &Made{Name: p.Recipe.Name}
	i := 0
	for range p.Recipe.Debs {
		file, err := only(dir, i)
		if err != nil {
			return nil, err
		}
		d, err := deb.ReadFile(ctx, file)
		if err != nil {
			return nil, err
		}
		kept, err := keep(env, file)
		if err != nil {
			return nil, err
		}
		m.Debs = append(m.Debs, recipe.LockedDeb{Name: d.Name, Version: d.Version, Architecture: d.Architecture, SHA256: kept.Pin.SHA256, Size: kept.Pin.Size})
		i++
	}
	for _, to := range slices.Sorted(maps.Keys(p.Recipe.Files)) {
		file, err := only(dir, i)
		if err != nil {
			return nil, err
		}
		kept, err := keep(env, file)
		if err != nil {
			return nil, err
		}
		kept.Image = to
		m.Files = append(m.Files, kept)
		i++
	}
	for range p.Recipe.Wheels {
		files, err := filepath.Glob(filepath.Join(outputDir(dir, i), "*.whl"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if _, err := wheel.Verify(ctx, file); err != nil {
				return nil, err
			}
			made, err := wheels.Read(file)
			if err != nil {
				return nil, err
			}
			made.Name = p.Recipe.Name
			m.Wheels = append(m.Wheels, made)
		}
		i++
	}
	return m, nil
}

func outputDir(dir string, i int) string { return filepath.Join(dir, strconv.Itoa(i)) }

// only is the one entry of an output's directory.
func only(dir string, i int) (string, error) {
	entries, err := os.ReadDir(outputDir(dir, i))
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "", fmt.Errorf("%s holds %d entries where a build left one; remove it and build again", outputDir(dir, i), len(entries))
	}
	return filepath.Join(outputDir(dir, i), entries[0].Name()), nil
}

// keep puts a file among the store's blobs, where packages and files are looked
// for by digest.
func keep(env host.Env, file string) (File, error) {
	sum, size, err := host.HashFile(file)
	if err != nil {
		return File{}, err
	}
	f := File{Pin: index.Pin{Name: filepath.Base(file), File: filepath.Base(file), SHA256: sum, Size: size}}
	if f.Pin.Present(env.Blobs()) {
		return f, nil
	}
	return f, copyBlob(file, f.Pin.Path(env.Blobs()))
}

func copyBlob(from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(to, renameio.WithTempDir(filepath.Dir(to)), renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Cleanup()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.CloseAtomicallyReplace()
}
