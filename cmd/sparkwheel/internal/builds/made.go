package builds

import (
	"context"
	"encoding/json"
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
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Made is what a build left, all of it in the store.
type Made struct {
	Name   string
	Debs   []Deb
	Files  []File
	Wheels []*wheels.Wheel
}

// Deb is a package that a build made.
type Deb struct {
	recipe.LockedDeb        // without an address: Build leaves it among the store's blobs
	Path             string // under its own name
}

// File is a file that a build made.
type File struct {
	Image      string // where it goes in the image
	Executable bool
	Pin        index.Pin // without an address: Build leaves it among the store's blobs
	Path       string
}

// Locked are the packages as an installation takes them.
func (m *Made) Locked() []recipe.LockedDeb {
	var all []recipe.LockedDeb
	for _, d := range m.Debs {
		all = append(all, d.LockedDeb)
	}
	return all
}

// madeFile says in the store what the build made, so that to know it nothing has
// to be hashed or unpacked again.
const madeFile = "made.json"

// note checks what the builder put into dir and writes down what it is.
func (p Plan) note(ctx context.Context, dir string) error {
	var m Made
	i := 0
	for _, glob := range p.Recipe.Debs {
		file, err := only(dir, i)
		if err != nil {
			return err
		}
		d, err := p.readDeb(ctx, file, recipe.DebName(glob))
		if err != nil {
			return err
		}
		m.Debs = append(m.Debs, d)
		i++
	}
	for _, to := range slices.Sorted(maps.Keys(p.Recipe.Files)) {
		file, err := only(dir, i)
		if err != nil {
			return err
		}
		f, err := newFile(file, to)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
		i++
	}
	for range p.Recipe.Wheels {
		files, err := filepath.Glob(filepath.Join(outputDir(dir, i), "*"))
		if err != nil {
			return err
		}
		for _, file := range files {
			if _, err := wheel.Verify(ctx, file); err != nil {
				return err
			}
		}
		i++
	}
	return os.WriteFile(filepath.Join(dir, madeFile), []byte(host.JSON(m)), 0o644)
}

// readDeb refuses a package of another name, or for another machine.
func (p Plan) readDeb(ctx context.Context, file, name string) (Deb, error) {
	d, err := deb.ReadFile(ctx, file)
	if err == nil {
		err = d.Check(name, d.Version, d.Architecture, p.Base.Platform.Architecture)
	}
	if err != nil {
		return Deb{}, fmt.Errorf("build %s made %s: %w", p.Recipe.Name, filepath.Base(file), err)
	}
	sum, size, err := host.HashFile(file)
	return Deb{LockedDeb: recipe.LockedDeb{Name: d.Name, Version: d.Version, Architecture: d.Architecture, SHA256: sum, Size: size}}, err
}

func newFile(file, to string) (File, error) {
	info, err := os.Stat(file)
	if err != nil {
		return File{}, err
	}
	sum, size, err := host.HashFile(file)
	name := filepath.Base(file)
	return File{Image: to, Executable: info.Mode()&0o111 != 0, Pin: index.Pin{Name: name, File: name, SHA256: sum, Size: size}}, err
}

// read reads what the build made from its directory in the store.
func (p Plan) read(dir string) (*Made, error) {
	text, err := os.ReadFile(filepath.Join(dir, madeFile))
	if err != nil {
		return nil, err
	}
	m := &Made{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, madeFile), err)
	}
	m.Name = p.Recipe.Name
	if len(m.Debs) != len(p.Recipe.Debs) || len(m.Files) != len(p.Recipe.Files) {
		return nil, fmt.Errorf("%s does not list what build %s makes", filepath.Join(dir, madeFile), p.Recipe.Name)
	}
	i := 0
	for n := range m.Debs {
		if m.Debs[n].Path, err = only(dir, i); err != nil {
			return nil, err
		}
		i++
	}
	for n := range m.Files {
		if m.Files[n].Path, err = only(dir, i); err != nil {
			return nil, err
		}
		i++
	}
	for range p.Recipe.Wheels {
		made, err := p.readWheels(outputDir(dir, i))
		if err != nil {
			return nil, err
		}
		m.Wheels = append(m.Wheels, made...)
		i++
	}
	return m, nil
}

func (p Plan) readWheels(dir string) (all []*wheels.Wheel, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		made, err := wheels.Read(file)
		if err != nil {
			return nil, err
		}
		made.Name = p.Recipe.Name
		all = append(all, made)
	}
	return all, nil
}

func outputDir(dir string, i int) string { return filepath.Join(dir, strconv.Itoa(i)) }

// only is the one entry of an output's directory.
func only(dir string, i int) (string, error) {
	entries, err := os.ReadDir(outputDir(dir, i))
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "", fmt.Errorf("%s has %d entries instead of the one that a build leaves; remove it and build again", outputDir(dir, i), len(entries))
	}
	return filepath.Join(outputDir(dir, i), entries[0].Name()), nil
}

// keep puts what is installed and what goes into the image among the store's
// blobs, where both are looked for by digest.
func (m *Made) keep(env host.Env) error {
	place := func(pin index.Pin, file string) error {
		if pin.Present(env.Blobs()) {
			return nil
		}
		return copyBlob(file, pin.Path(env.Blobs()))
	}
	for _, d := range m.Debs {
		if err := place(index.Pin{Name: d.Name, File: d.File(), SHA256: d.SHA256, Size: d.Size}, d.Path); err != nil {
			return err
		}
	}
	for _, f := range m.Files {
		if err := place(f.Pin, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// copyBlob copies a file in one step, whoever else does the same.
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
