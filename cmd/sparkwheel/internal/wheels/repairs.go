package wheels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// repairsFile stands beside a wheel whose METADATA was repaired: what was
// changed, for the record of every later build that finds the wheel.
const repairsFile = "repairs.json"

// tellTruth refuses the wheel just built at path when its METADATA forbids what
// the build used; a recipe may have it repaired instead, which is told.
func (b Plan) tellTruth(ctx context.Context, path string, r *stage.Run) error {
	d, err := readDistribution(path)
	if err != nil {
		return err
	}
	used, err := b.used()
	if err != nil {
		return err
	}
	faults := truth.Built(d, used, b.Base.Python.Environment())
	if len(faults) == 0 {
		return nil
	}
	if !b.Recipe.Repair {
		if err := b.askedBy(used, faults); err != nil {
			return err
		}
		return &truth.Error{What: d.Origin, Faults: truth.Built(d, used, b.Base.Python.Environment())}
	}
	changes, err := truth.Mend(ctx, path, path, faults, used)
	if err != nil {
		return err
	}
	for _, c := range changes {
		r.Note("repaired %s in %s: %s became %s", d.Origin, c.File, c.Before, c.After)
	}
	return os.WriteFile(filepath.Join(filepath.Dir(path), repairsFile), []byte(host.JSON(changes)), 0o644)
}

// readRepairs is what was repaired in the wheel of a stage's directory.
func readRepairs(dir string) ([]requirements.Change, error) {
	text, err := os.ReadFile(filepath.Join(dir, repairsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var changes []requirements.Change
	return changes, json.Unmarshal(text, &changes)
}

// used is what the build imports and compiles against: its pinned requirements,
// and for what a shim plays, the shim's version.
func (b Plan) used() ([]truth.Used, error) {
	var used []truth.Used
	for _, p := range b.Pins {
		name, err := wheel.ParseFilename(p.File)
		if err != nil {
			return nil, err
		}
		used = append(used, truth.Used{Name: name.Distribution, Version: name.Version, Origin: p.File})
	}
	for _, s := range b.Recipe.Shims {
		v, err := version.Parse(s.Version)
		if err != nil {
			return nil, fmt.Errorf("shim %s of wheel %s: %w", s.Name, b.Recipe.Name, err)
		}
		used = append(used, truth.Used{Name: requirements.Normalize(s.Name), Version: v, Origin: "the recipe's shim"})
	}
	return used, nil
}

// askedBy notes where the source asks for what faults are about.
func (b Plan) askedBy(used []truth.Used, faults []truth.Fault) error {
	root, err := os.OpenRoot(b.Tree.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := b.Source.Rewrite.Files
	if len(files) == 0 {
		files = []string{"requirements/**", "requirements*.txt", "pyproject.toml"}
	}
	for i, u := range used {
		if !slices.ContainsFunc(faults, func(f truth.Fault) bool { return f.Name == u.Name }) {
			continue
		}
		if used[i].Asked, err = rewrite.Asked(root, files, u.Name); err != nil {
			return err
		}
	}
	return nil
}

// readDistribution is what a wheel's METADATA says.
func readDistribution(path string) (truth.Distribution, error) {
	w, err := wheel.Open(path)
	if err != nil {
		return truth.Distribution{}, err
	}
	defer w.Close()
	return truth.Of(w.Metadata, filepath.Base(path)), nil
}
