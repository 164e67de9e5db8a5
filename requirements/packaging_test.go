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
