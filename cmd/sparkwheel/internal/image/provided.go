package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Provided is a distribution that is not installed since a Debian package of the
// image has what it brings: an empty one of its name and version stands in its
// place, so that what requires it is content.
type Provided struct {
	Name           string `json:"name"`
	Version        string `json:"version"` // that the lock has
	Package        string `json:"package"`
	PackageVersion string `json:"package_version"`
	Architecture   string `json:"architecture"`
}

// providedInstaller is what INSTALLER says of an empty distribution, and
// ProvidedFile the file of its dist-info that says what stands for it.
const (
	providedInstaller = "sparkwheel-provided"
	ProvidedFile      = "sparkwheel-provided.json"
)

// MissingPackageError says that the image does not have the package that is to
// provide a distribution.
type MissingPackageError struct{ Distribution, Package string }

func (e *MissingPackageError) Error() string {
	return fmt.Sprintf("the image has no Debian package %s, which is to provide %s: add it to packages.image, or install it from a [[build]]", e.Package, e.Distribution)
}

// Provide says what stands for the pins, by the packages of b's unpacked root.
func Provide(b *base.Base, pins []index.Pin, packages map[string]string) ([]Provided, error) {
	root, err := os.OpenRoot(b.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var all []Provided
	for _, pin := range pins {
		file, err := wheel.ParseFilename(pin.File)
		if err != nil {
			return nil, err
		}
		name := string(file.Distribution)
		p := Provided{Name: name, Version: file.Version.String(), Package: packages[name]}
		if p.PackageVersion, p.Architecture, err = deb.Installed(root.FS(), p.Package); err != nil {
			return nil, err
		}
		if p.PackageVersion == "" {
			return nil, &MissingPackageError{name, p.Package}
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Provided) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// IsProvided says whether a package provides the distribution of a wheel's name.
func IsProvided(packages map[string]string, pin index.Pin) bool {
	return packages[string(requirements.Normalize(Distribution(pin.File)))] != ""
}

// Entry is the empty distribution in the store.
func (p Provided) Entry() host.Entry {
	key := store.NewHash("provided "+p.Name).Field("form", "1").Field("provided", host.JSON(p)).Key()
	return host.Entry{Name: "provided " + p.Name, Kind: store.Stage, Key: key}
}

// Make writes the empty distribution's wheel, or finds it in the store.
func (p Provided) Make(ctx context.Context, env host.Env) (Member, error) {
	entry := p.Entry()
	dir, _, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error {
		_, err := builder.Shim{
			Name: p.Name, Version: p.Version, Summary: fmt.Sprintf("empty: the Debian package %s %s provides it", p.Package, p.PackageVersion),
			Info: map[string]string{ProvidedFile: host.JSON(p) + "\n"},
		}.Write(dir)
		return err
	})
	if err != nil {
		return Member{}, fmt.Errorf("writing the empty distribution %s: %w", p.Name, err)
	}
	return p.read(dir)
}

// Member is the empty distribution's wheel where the store has it; ok is false
// where it does not.
func (p Provided) Member(env host.Env) (m Member, ok bool, err error) {
	dir := env.Kept(p.Entry())
	if dir == "" {
		return m, false, nil
	}
	m, err = p.read(dir)
	return m, true, err
}

func (p Provided) read(dir string) (Member, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return Member{}, err
	}
	if len(files) != 1 {
		return Member{}, fmt.Errorf("%s has %d wheels instead of one; remove it and build again", dir, len(files))
	}
	sum, size, err := host.HashFile(files[0])
	return Member{File: filepath.Base(files[0]), Path: files[0], SHA256: sum, Size: size}, err
}

// provided is where empty distributions go.
func (i Image) provided() Place {
	s := indexScheme(i.Base, i.Recipe)
	s.Installer = providedInstaller
	return Place{s, Beneath(i.Base, i.Verdict)}
}
