package fetchcontent

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite golden files")

// fixture is a project in a txtar file, whose last file is what is found in it.
func fixture(t *testing.T, name string) (*txtar.Archive, fs.FS) {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for _, f := range a.Files[:len(a.Files)-1] {
		tree[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return a, tree
}

func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			a, tree := fixture(t, file)
			result, err := Read(tree, Options{Root: "/build/src"})
			if err != nil {
				t.Fatal(err)
			}
			want := &a.Files[len(a.Files)-1]
			got := describe(result)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func describe(r *Result) string {
	var b strings.Builder
	for _, c := range r.Contents {
		b.WriteString(line(c) + "\n")
		if c.Variable != "" {
			fmt.Fprintf(&b, "  place from %s, environment %v\n", c.Variable, c.FromEnvironment)
		}
		for _, w := range c.When {
			fmt.Fprintf(&b, "  when %s: %s lacks %s\n", w.At, w.Text, strings.Join(w.Variables, " "))
		}
		for _, o := range c.Open {
			fmt.Fprintf(&b, "  open %s %s: %s, %s\n", o.Option, o.Text, o.Variable, o.Reason)
		}
		for _, o := range c.Rivals {
			fmt.Fprintf(&b, "  or %s\n", line(o))
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	return b.String()
}

func line(c Content) string {
	s := fmt.Sprintf("%s: %s %s %s%s %s %q", c.At, c.Way, c.Name, c.URL, c.Archive, c.Tag, c.Submodules)
	if c.Patched {
		s += " patched"
	}
	return s
}
