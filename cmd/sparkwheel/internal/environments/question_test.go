package environments

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestBuildQuestion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "pyproject.toml", "[build-system]\nrequires = [\"setuptools>=77\", \"torch==2.11.0\"]\n")
	write(t, dir, "old/setup.py", "")
	w := recipe.Wheel{Name: "x", Requires: []string{"numpy"}, Shims: []recipe.Shim{{Name: "torch"}}}
	got, err := BuildQuestion(w, &sources.Tree{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := Question{Name: "x", Requirements: []string{"setuptools>=77", "torch==2.11.0", "numpy"}, Excludes: []string{"torch"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Question{})); diff != "" {
		t.Errorf("question (-want +got):\n%s", diff)
	}
	got, err = BuildQuestion(recipe.Wheel{Name: "y", Subdirectory: "old"}, &sources.Tree{Dir: dir})
	if err != nil || cmp.Diff([]string{"setuptools>=40.8.0"}, got.Requirements) != "" {
		t.Errorf("a project without pyproject.toml needs %q (%v)", got.Requirements, err)
	}
}
