// Package environments owns Python environments: what uv is asked to resolve,
// the indexes that answer it, and the wheels that a set pins for an interpreter.
package environments

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	toml "github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
)

// Question is what uv is asked to resolve.
type Question struct {
	Name         string   // of the environment: pylock.NAME.toml
	Requirements []string // PEP 508, or -r FILE
	Overrides    []string
	Excludes     []string
	Constraints  []string // hold for what is taken, and take nothing
	ExcludeNewer string
	Trees        map[string]string // source -> its tree, seen at /build/trees/NAME
	Before       []byte            // an earlier answer, whose versions are kept where they still fit
}

// BuildQuestion asks for what a wheel's build needs: build-system.requires as
// rewritten, and the recipe's own, without what shims stand in for.
func BuildQuestion(w recipe.Wheel, t *sources.Tree) (Question, error) {
	q := Question{Name: w.Name, Requirements: w.Requires}
	path := filepath.Join(t.Dir, w.Subdirectory, "pyproject.toml")
	text, err := regular.Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return q, err
	}
	var project struct {
		BuildSystem struct {
			Requires []string `toml:"requires"`
		} `toml:"build-system"`
	}
	if err := toml.Unmarshal(text, &project); err != nil {
		return q, fmt.Errorf("reading %s of wheel %s: %w", path, w.Name, err)
	}
	// PEP 518: a project without the table is built by setuptools.
	if project.BuildSystem.Requires == nil {
		project.BuildSystem.Requires = []string{"setuptools>=40.8.0"}
	}
	q.Requirements = append(project.BuildSystem.Requires, w.Requires...)
	for _, s := range w.Shims {
		q.Excludes = append(q.Excludes, s.Name)
	}
	return q, nil
}
