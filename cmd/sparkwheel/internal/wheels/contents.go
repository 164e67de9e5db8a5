package wheels

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// MissingFilesError says that a wheel was built without files that the recipe
// names: its project makes them only where it can.
type MissingFilesError struct {
	Wheel, File string
	Patterns    []string // that match nothing in it
}

func (e *MissingFilesError) Error() string {
	return fmt.Sprintf("wheel %s: %s has nothing that matches %s; the build's log says why its project left it out, or take the pattern out of must-contain", e.Wheel, e.File, strings.Join(e.Patterns, ", "))
}

// mustContain holds the wheel's files against the recipe's patterns.
func (b Plan) mustContain(file string) error {
	if len(b.Recipe.MustContain) == 0 {
		return nil
	}
	w, err := wheel.Open(file)
	if err != nil {
		return err
	}
	defer w.Close()
	missing := slices.Clone(b.Recipe.MustContain)
	for f := range w.Files() {
		if !f.IsDir() {
			missing = slices.DeleteFunc(missing, func(glob string) bool { return doublestar.MatchUnvalidated(glob, f.Path()) })
		}
	}
	if len(missing) > 0 {
		return &MissingFilesError{b.Recipe.Name, filepath.Base(file), missing}
	}
	return nil
}

// UnrecordedError says that a wheel has GPU code that no compiler was seen to
// make: what would judge it early, make it reproducible and keep it was not in
// force.
type UnrecordedError struct {
	Wheel, File string
	Paths       []string // of the wheel
}

func (e *UnrecordedError) Error() string {
	return fmt.Sprintf("wheel %s: %s has GPU code in %s, and no compiler of GPU code was recorded: the compilers were not recorded; call nvcc by its name, or say prebuilt = [\"%s\"] in the wheel's table if nothing compiles it",
		e.Wheel, e.File, host.Some(e.Paths), e.Paths[0])
}

// checkRecorded refuses GPU code without a recorded compilation. What is the very
// file of an input or of a source tree was not compiled, nor was what the recipe
// says is prebuilt.
func (b Plan) checkRecorded(ctx context.Context, file string) error {
	recorded, err := compiledForGPU(filepath.Join(filepath.Dir(file), builder.CommandsFile))
	if recorded || err != nil {
		return err
	}
	w, err := wheel.Open(file)
	if err != nil {
		return err
	}
	defer w.Close()
	found, err := w.Inspect(ctx, inspect.Options{})
	if err != nil {
		return err
	}
	suspects := map[string]bool{}
	for _, f := range found.Files {
		p, _, _ := strings.Cut(f.Path, "(") // of an archive's member
		if len(f.Containers) > 0 && !slices.ContainsFunc(b.Recipe.Prebuilt, func(g string) bool { return doublestar.MatchUnvalidated(g, p) }) {
			suspects[p] = true
		}
	}
	var paths []string
	for f := range w.Files() {
		if !suspects[f.Path()] {
			continue
		}
		given, err := b.given(f)
		if err != nil {
			return err
		}
		if !given {
			paths = append(paths, f.Path())
		}
	}
	if len(paths) > 0 {
		return &UnrecordedError{b.Recipe.Name, filepath.Base(file), paths}
	}
	return nil
}

// compiledForGPU says whether a record of compilations has one of GPU code for
// the product. Without the file there is none.
func compiledForGPU(file string) (bool, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var commands []launcher.Command
	if err := json.Unmarshal(text, &commands); err != nil {
		return false, fmt.Errorf("reading %s: %w", file, err)
	}
	return slices.ContainsFunc(commands, func(c launcher.Command) bool { return c.CUDA && !c.Trial }), nil
}

// given says whether a file of the wheel is one that the build was given.
func (b Plan) given(f wheel.File) (bool, error) {
	sum, err := f.HashSHA256()
	if err != nil {
		return false, err
	}
	want := hex.EncodeToString(sum)
	for _, in := range b.Inputs {
		for _, p := range in.Pins {
			if p.SHA256 == want {
				return true, nil
			}
		}
	}
	dirs := []string{b.Tree.Dir}
	for _, c := range b.Contents {
		dirs = append(dirs, c.Tree.Dir)
	}
	for _, dir := range dirs {
		has, err := hasFile(dir, path.Base(f.Path()), f.Size(), want)
		if has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// hasFile looks below dir for a file of that name, size and sha256.
func hasFile(dir, name string, size int64, sum string) (found bool, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != name || !d.Type().IsRegular() {
			return err
		}
		got, n, err := host.HashFile(p)
		if err == nil && n == size && got == sum {
			found = true
			return fs.SkipAll
		}
		return err
	})
	return found, err
}
