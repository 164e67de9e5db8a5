package rewrite_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

// found is a requirement of a tree as pip and packaging see it; of a
// pyproject.toml they tell no line.
type found struct {
	File string
	Line int
	Name requirements.Name
}

func (f *found) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&f.File, &f.Line, &f.Name})
}

// sharedTrees calls check for the requirement files of each real release; they
// lie beside the repository and are not part of it.
func sharedTrees(t *testing.T, check func(t *testing.T, root *os.Root, want []found)) {
	t.Helper()
	const dir = "../../../shared/data/requirements"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the requirement files of real releases are not here: %v", err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "pip", "trees.json"))
	if err != nil {
		t.Fatal(err)
	}
	var trees map[string][]found
	if err := json.Unmarshal(text, &trees); err != nil {
		t.Fatal(err)
	}
	for name, want := range trees {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := os.OpenRoot(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			check(t, root, want)
		})
	}
}

func TestSharedEntries(t *testing.T) {
	t.Parallel()
	sharedTrees(t, func(t *testing.T, root *os.Root, want []found) {
		var got []found
		err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || path.Ext(name) != ".txt" {
				return err
			}
			src, err := root.ReadFile(name)
			if err != nil {
				return err
			}
			f, err := requirements.Parse(name, src)
			if err != nil {
				return err
			}
			if string(f.Bytes()) != string(src) {
				t.Errorf("the bytes of %s do not come back", name)
			}
			for e := range f.Entries() {
				if e.Kind == requirements.Requires {
					got = append(got, found{name, e.Line, e.Name})
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want = slices.DeleteFunc(slices.Clone(want), func(f found) bool { return f.Line == 0 })
		sortFound(want)
		sortFound(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requirements (-packaging +got):\n%s", diff)
		}
	})
}

func sortFound(list []found) {
	slices.SortFunc(list, func(a, b found) int {
		return strings.Compare(fmt.Sprintf("%s %9d %s", a.File, a.Line, a.Name), fmt.Sprintf("%s %9d %s", b.File, b.Line, b.Name))
	})
}

// TestSharedDrops holds that the recipe's drops take out what packaging names
// so, line by line, and not a byte else.
func TestSharedDrops(t *testing.T) {
	t.Parallel()
	drops := rewrite.Rules{Files: []string{"**"}, Rules: []requirements.Rule{
		{Drop: "flashinfer"}, {Drop: "flashinfer-*"}, {Drop: "triton"}, {Drop: "fastsafetensors"},
	}}
	sharedTrees(t, func(t *testing.T, root *os.Root, all []found) {
		var want []found
		for _, f := range all {
			if f.Name == "flashinfer" || strings.HasPrefix(string(f.Name), "flashinfer-") || f.Name == "triton" || f.Name == "fastsafetensors" {
				want = append(want, f)
			}
		}
		result, err := rewrite.Tree(root, drops)
		if err != nil {
			t.Fatal(err)
		}
		var got []found
		expected := map[string][]byte{}
		for _, c := range slices.Backward(result.Changes) {
			r, err := requirements.ParseRequirement(strings.TrimSpace(strings.SplitN(c.Before, " #", 2)[0]))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, found{c.File, c.Line, r.Name})
			if expected[c.File] == nil {
				if expected[c.File], err = root.ReadFile(c.File); err != nil {
					t.Fatal(err)
				}
			}
			lines := strings.SplitAfter(string(expected[c.File]), "\n")
			expected[c.File] = []byte(strings.Join(slices.Delete(lines, c.Line-1, c.Line), ""))
		}
		sortFound(got)
		sortFound(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("dropped (-packaging +got):\n%s", diff)
		}
		if diff := cmp.Diff(expected, result.Files); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		t.Logf("%d of %d requirements dropped", len(got), len(all))
	})
}
