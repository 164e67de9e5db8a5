package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/builds"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/layer"
)

// resultOf is a build of one wheel.
func resultOf(t *testing.T, file string) *Result {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return &Result{
		Wheels:  []*wheels.Wheel{{File: file, Path: path}},
		Record:  &record.Record{Recipe: "x", Sources: []record.Source{{Commit: "0123"}}, Wheels: []record.Wheel{{File: file}}},
		Commits: map[string]string{".x-commit": "0123\n"},
	}
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestOutputReplacesWhatABuildLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, file := range []string{"a-1-py3-none-any.whl", "a-2-py3-none-any.whl"} {
		if err := output(t.Context(), dir, resultOf(t, file)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"build.json", "wheels/.x-commit", "wheels/" + file}, filesBelow(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
	// A run that was killed after it had put the wheels there, and before build.json.
	if err := os.Rename(filepath.Join(dir, "build.json"), filepath.Join(dir, pendingRecord)); err != nil {
		t.Fatal(err)
	}
	if err := output(t.Context(), dir, resultOf(t, "a-3-py3-none-any.whl")); err != nil {
		t.Error(err)
	}
}

func TestOutputOfPackages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := func(names ...string) *Result {
		res := &Result{Record: &record.Record{Recipe: "x", Builds: []record.Build{{Name: "b"}}}}
		for _, name := range names {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
			res.Debs = append(res.Debs, builds.Deb{Path: path})
			res.Record.Builds[0].Debs = append(res.Record.Builds[0].Debs, record.Deb{File: name})
		}
		return res
	}
	for _, tt := range []struct{ make, want []string }{
		{[]string{"a_1_all.deb", "b_1_all.deb"}, []string{"build.json", "debs/a_1_all.deb", "debs/b_1_all.deb"}},
		{[]string{"a_2_all.deb"}, []string{"build.json", "debs/a_2_all.deb"}},
		{nil, []string{"build.json"}},
	} {
		if err := errors.Join(checkOutput(dir), output(t.Context(), dir, made(tt.make...))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, filesBelow(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
	if err := put(dir, "debs/mine_1_all.deb", "mine"); err != nil {
		t.Fatal(err)
	}
	for _, write := range []func() error{
		func() error { return checkOutput(dir) },
		func() error { return output(t.Context(), dir, made("a_1_all.deb")) }, func() error { return output(t.Context(), dir, made()) },
	} {
		if err := write(); !errors.As(err, new(*layer.OutputError)) || !strings.Contains(err.Error(), "mine_1_all.deb: not from an earlier build") {
			t.Errorf("over a package of the user's: %v", err)
		}
	}
}

func TestOutputIsNotWrittenOverWhatIsTheUsers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		put  func(dir string) error
		want string
	}{
		"a wheel of theirs":      {func(dir string) error { return put(dir, "wheels/mine-1-py3-none-any.whl", "mine") }, "wheels: mine-1-py3-none-any.whl: not from an earlier build"},
		"a marker of theirs":     {func(dir string) error { return put(dir, "wheels/.my-commit", "4567") }, "not from an earlier build"},
		"a file in image":        {func(dir string) error { return put(dir, "image/notes.txt", "mine") }, "notes.txt is in it"},
		"a build.json of theirs": {func(dir string) error { return put(dir, "build.json", `{"mine": 1}`) }, "not from an earlier build"},
		"a file called wheels":   {func(dir string) error { return put(dir, "wheels", "mine") }, "not a directory"},
		"a link called wheels": {func(dir string) error {
			return errors.Join(os.MkdirAll(dir, 0o755), os.Symlink(os.TempDir(), filepath.Join(dir, "wheels")))
		}, "not a directory"},
		"a file in its place": {func(dir string) error { return os.WriteFile(dir, nil, 0o644) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			if err := test.put(dir); err != nil {
				t.Fatal(err)
			}
			before := filesBelow(t, dir)
			for _, write := range []func() error{
				func() error { return checkOutput(dir) },
				func() error { return output(t.Context(), dir, resultOf(t, "a-1-py3-none-any.whl")) },
			} {
				err := write()
				if err == nil || !strings.Contains(err.Error(), test.want) && name != "a file in its place" {
					t.Errorf("error is %v, want %q", err, test.want)
				}
			}
			if err := checkOutput(dir); !errors.As(err, new(*layer.OutputError)) {
				t.Errorf("error is %T", err)
			}
			if diff := cmp.Diff(before, filesBelow(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

func put(dir, name, text string) error {
	path := filepath.Join(dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}
