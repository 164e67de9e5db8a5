package requirements

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPackagingRequirements(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "packaging", "requirements.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Requirements [][]any
		Names        [][2]string
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	for _, row := range g.Requirements {
		in := row[0].(string)
		r, err := ParseRequirement(in)
		if len(row) == 1 {
			if err == nil {
				t.Errorf("ParseRequirement(%q) = %s, packaging refuses it", in, r)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseRequirement(%q): %v\npackaging reads %v", in, err, row[1:])
			continue
		}
		extras := []any{}
		for _, e := range r.Extras {
			extras = append(extras, string(e))
		}
		got := []any{string(r.Name), extras, r.Specifiers.String(), r.URL, r.Marker.String()}
		if diff := cmp.Diff(row[1:], got); diff != "" {
			t.Errorf("ParseRequirement(%q) (-packaging +got):\n%s", in, diff)
		}
	}
	for _, row := range g.Names {
		if got := Normalize(row[0]); string(got) != row[1] {
			t.Errorf("Normalize(%q) = %q, packaging says %q", row[0], got, row[1])
		}
	}
	t.Logf("%d requirements, %d names", len(g.Requirements), len(g.Names))
}

// TestPackagingCounts holds that the golden files keep every string that
// packaging's own tests, all passing, handed to it.
func TestPackagingCounts(t *testing.T) {
	t.Parallel()
	read := func(name string, into any) {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	var counts struct {
		Packaging string
		Passed    map[string]int
		NotPassed map[string]int `json:"not_passed"`
		Recorded  map[string]int
	}
	read("counts.json", &counts)
	lists := map[string][]json.RawMessage{}
	for file, keys := range map[string]map[string]string{
		"versions.json":     {"versions": "versions"},
		"specifiers.json":   {"sets": "specifiers", "contains": "contains", "filter": "filter"},
		"requirements.json": {"requirements": "requirements", "names": "names"},
		"markers.json":      {"markers": "markers", "evaluations": "evaluations"},
	} {
		var g map[string]json.RawMessage
		read(file, &g)
		for key, count := range keys {
			var list []json.RawMessage
			if err := json.Unmarshal(g[key], &list); err != nil {
				t.Fatal(err)
			}
			lists[count] = list
		}
	}
	for what, recorded := range counts.Recorded {
		if len(lists[what]) < recorded {
			t.Errorf("%d %s are held, and packaging's tests gave %d", len(lists[what]), what, recorded)
		}
	}
	total := 0
	for _, n := range counts.Passed {
		total += n
	}
	if len(counts.NotPassed) > 0 || total < 60000 {
		t.Errorf("of packaging's tests, %d passed and %v did not", total, counts.NotPassed)
	}
	t.Logf("packaging %s: %d tests passed under the recorder; recorded %v", counts.Packaging, total, counts.Recorded)
}
