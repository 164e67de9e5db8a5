package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
func (b buildPlan) tellTruth(ctx context.Context, path string, r *stage.Run) error {
	d, err := readDistribution(path)
	if err != nil {
		return err
	}
	used, err := b.used()
	if err != nil {
		return err
	}
	faults := truth.Built(d, used, b.base.Python.Environment())
	if len(faults) == 0 {
		return nil
	}
	if !b.recipe.Repair {
		if err := b.askedBy(used, faults); err != nil {
			return err
		}
		return &truth.Error{What: d.Origin, Faults: truth.Built(d, used, b.base.Python.Environment())}
	}
	temp := path + ".repaired"
	changes, err := truth.Mend(ctx, path, temp, faults, used)
	if err != nil {
		return err
	}
	for _, c := range changes {
		r.Note("repaired %s in %s: %s became %s", d.Origin, c.File, c.Before, c.After)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(path), repairsFile), []byte(jsonText(changes)), 0o644)
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
func (b buildPlan) used() ([]truth.Used, error) {
	var used []truth.Used
	for _, p := range b.pins {
		name, err := wheel.ParseFilename(p.File)
		if err != nil {
			return nil, err
		}
		used = append(used, truth.Used{Name: name.Distribution, Version: name.Version, Origin: p.File})
	}
	for _, s := range b.recipe.Shims {
		v, err := version.Parse(s.Version)
		if err != nil {
			return nil, fmt.Errorf("shim %s of wheel %s: %w", s.Name, b.recipe.Name, err)
		}
		used = append(used, truth.Used{Name: requirements.Normalize(s.Name), Version: v, Origin: "the recipe's shim"})
	}
	return used, nil
}

// askedBy notes where the source asks for what faults are about.
func (b buildPlan) askedBy(used []truth.Used, faults []truth.Fault) error {
	root, err := os.OpenRoot(b.tree.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := b.source.Rewrite.Files
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

// Strictness says how strictly an image's metadata is judged.
type Strictness struct {
	Allow    []string // names of required distributions whose faults are accepted
	Complete bool     // what is required and absent is a fault
}

// judge looks at what wheels and base together say that they require, before
// anything is written. It returns the judgement for the record.
func (s Strictness) judge(base *Base, wheels []truth.Distribution, r *stage.Run) (truth.Judgement, error) {
	var installed []truth.Distribution
	if base.Root == "" {
		r.Note("the base was not unpacked: what it has installed is not judged against the wheels")
	} else {
		var err error
		if installed, err = base.installed(); err != nil {
			return truth.Judgement{}, err
		}
	}
	opt := truth.Options{Complete: s.Complete}
	for _, name := range s.Allow {
		opt.Allow = append(opt.Allow, requirements.Normalize(name))
	}
	j := truth.Image(slices.Concat(wheels, installed), base.Python.Environment(), opt)
	// What the base says against itself was so before, and is not for this build
	// to mend.
	before := truth.Image(installed, base.Python.Environment(), opt)
	j.Faults, j.Warnings = without(j.Faults, before.Faults), without(j.Warnings, before.Warnings)
	if missing := names(j.Warnings); len(missing) > 0 {
		r.Note("%d required distributions are not in the image: %s", len(missing), strings.Join(missing, ", "))
	}
	for _, f := range j.Allowed {
		r.Note("allowed: %s", f.Message)
	}
	for _, name := range j.Unneeded {
		r.Note("--allow %s accepted nothing", name)
	}
	return j, j.Err("the image")
}

// judge looks at the whole image, whose wheels are given, before any of its
// layers is written.
func (b *building) judge(strict Strictness, res *Result, wheels []truth.Distribution, run *stage.Run) error {
	strict.Complete = strict.Complete || b.recipe.Runtime.Complete
	held := slices.Clone(wheels)
	for _, s := range b.wheels {
		for _, shim := range s.stage.Value().plan.recipe.Shims {
			v, err := version.Parse(shim.Version)
			if err != nil {
				return fmt.Errorf("shim %s: %w", shim.Name, err)
			}
			held = append(held, truth.Distribution{Name: requirements.Normalize(shim.Name), Version: v})
		}
	}
	res.Constraints = truth.Constraints(held)
	j, err := strict.judge(b.base.Value(), wheels, run)
	res.Record.Allowed, res.Record.Missing = j.Allowed, names(j.Warnings)
	return err
}

func without(faults, known []truth.Fault) []truth.Fault {
	return slices.DeleteFunc(faults, func(f truth.Fault) bool { return slices.Contains(known, f) })
}

// names are the distributions that faults are about, each once, sorted.
func names(faults []truth.Fault) []string {
	var list []string
	for _, f := range faults {
		list = append(list, string(f.Name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// installed reads the metadata of what the base brings along, in the order in
// which its Python looks. What has no readable metadata is passed over: it
// cannot be judged, and the base is as it is.
func (b *Base) installed() ([]truth.Distribution, error) {
	root, err := os.OpenRoot(b.Root)
	if err != nil {
		return nil, fmt.Errorf("reading what the base has installed: %w", err)
	}
	defer root.Close()
	dirs := []string{b.Python.Scheme.Purelib, b.Python.Scheme.Platlib}
	if strings.HasPrefix(b.Python.Path, "/usr/bin/") {
		dirs = append(dirs, "usr/lib/python3/dist-packages")
	}
	var set []truth.Distribution
	for i, dir := range dirs {
		if dir == "" || slices.Contains(dirs[:i], dir) {
			continue
		}
		infos, err := fs.Glob(root.FS(), dir+"/*-info")
		if err != nil {
			return nil, err
		}
		for _, info := range infos {
			for _, file := range []string{"/METADATA", "/PKG-INFO", ""} {
				if d, ok := readInstalled(root, info+file); ok {
					set = append(set, d)
					break
				}
			}
		}
	}
	return set, nil
}

func readInstalled(root *os.Root, path string) (truth.Distribution, bool) {
	f, err := root.Open(path)
	if err != nil {
		return truth.Distribution{}, false
	}
	defer f.Close()
	m, errs := wheel.ParseMetadata(f)
	return truth.Of(m, "of the base"), len(errs) == 0
}
