package wheels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
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

// Build makes the wheel, or finds it in the store under the key of all its
// inputs. Its requirements are fetched only when it has to be made.
func (b Plan) Build(ctx context.Context, env host.Env, r *stage.Run) (*Wheel, error) {
	env = env.Noting(r)
	entry := b.Entry()
	dir, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error { return b.fill(ctx, env, dir, r) })
	if err != nil {
		return nil, fmt.Errorf("building wheel %s: %w", b.Recipe.Name, err)
	}
	if hit {
		r.Hit()
	}
	w, err := b.read(dir)
	if err != nil {
		return nil, err
	}
	return w, b.mustContain(w.Path)
}

// Built is the wheel where the store has it, else a *stage.WaitingError.
func (b Plan) Built(env host.Env) (*Wheel, error) {
	dir := env.Kept(b.Entry())
	if dir == "" {
		return nil, &stage.WaitingError{Reason: "wheel " + b.Recipe.Name + " is built first"}
	}
	return b.read(dir)
}

func (b Plan) fill(ctx context.Context, env host.Env, dir string, r *stage.Run) error {
	if _, err := host.Fetch(ctx, env, b.Needed(), r); err != nil {
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
	if failed, ok := errors.AsType[*builder.FailedError](err); ok {
		NameProgramsOutsidePath(failed.Findings, b.root())
		if failed.Commands != nil {
			err = errors.Join(err, r.Attach(builder.CommandsFile, failed.Commands))
		}
	}
	if err != nil {
		return err
	}
	if err := b.tellTruth(ctx, built[0], r); err != nil {
		return err
	}
	if err := verifyWheel(ctx, built[0], r); err != nil {
		return err
	}
	return b.checkRecorded(ctx, built[0])
}

// verifyWheel refuses a wheel with faults and tells of what is merely odd.
func verifyWheel(ctx context.Context, path string, r *stage.Run) error {
	warnings, err := wheel.Verify(ctx, path)
	NoteOdd(r, path, warnings)
	return err
}

// NoteOdd tells of what is odd about a wheel and no fault.
func NoteOdd(r *stage.Run, path string, warnings []wheel.Fault) {
	for _, w := range warnings {
		r.Note("%s: %s: %s", filepath.Base(path), w.Path, w.Message)
	}
}

// read reads the wheel from its directory in the store.
func (b Plan) read(dir string) (*Wheel, error) {
	w, err := readWheel(dir)
	if err != nil {
		return nil, fmt.Errorf("wheel %s in the store: %w", b.Recipe.Name, err)
	}
	w.Name, w.Requires = b.Recipe.Name, b.Pins
	return w, nil
}

func readWheel(dir string) (*Wheel, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		entries, _ := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return nil, fmt.Errorf("%d wheels instead of one: the files are %s; remove %s and build again",
			len(files), cmp.Or(strings.Join(names, ", "), "none"), filepath.Dir(dir))
	}
	w, err := Read(files[0])
	if err != nil {
		return nil, err
	}
	w.Repairs, err = readRepairs(dir)
	return w, err
}

// Read is a wheel's file as it is.
func Read(file string) (*Wheel, error) {
	name, err := wheel.ParseFilename(filepath.Base(file))
	if err != nil {
		return nil, err
	}
	sum, size, err := host.HashFile(file)
	if err != nil {
		return nil, err
	}
	return &Wheel{Path: file, File: filepath.Base(file), SHA256: sum, Size: size, Version: name.Version.String()}, nil
}
