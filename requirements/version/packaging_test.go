package version_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// golden reads what pypa/packaging answered; testdata/packaging/generate.py
// wrote it.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
}

func TestPackagingVersions(t *testing.T) {
	t.Parallel()
	var g struct{ Versions [][]any }
	golden(t, "versions.json", &g)
	for _, row := range g.Versions {
		in := row[0].(string)
		v, err := version.Parse(in)
		if len(row) == 1 {
			if err == nil {
				t.Errorf("Parse(%q) = %s, packaging refuses it", in, v)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v, packaging reads %s", in, err, row[1])
			continue
		}
		got := []any{in, v.String(), v.Local(), v.IsPrerelease()}
		if !slices.Equal(got, row) {
			t.Errorf("Parse(%q) is %v, packaging says %v", in, got[1:], row[1:])
		}
	}
	t.Logf("%d versions", len(g.Versions))
}

func TestPackagingOrder(t *testing.T) {
	t.Parallel()
	var g struct{ Order [][]string }
	golden(t, "versions.json", &g)
	type placed struct {
		version.Version
		place int
	}
	var all []placed
	for place, group := range g.Order {
		for _, s := range group {
			v, err := version.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, placed{v, place})
		}
	}
	for _, a := range all {
		for _, b := range all {
			want := min(1, max(-1, a.place-b.place))
			if got := a.Compare(b.Version); got != want {
				t.Errorf("%s compared with %s is %d, packaging says %d", a, b, got, want)
			}
		}
	}
	t.Logf("%d pairs", len(all)*len(all))
}

func TestPackagingSpecifiers(t *testing.T) {
	t.Parallel()
	var g struct {
		Sets     [][]string
		Contains [][]any
		Filter   [][]any
	}
	golden(t, "specifiers.json", &g)
	for _, row := range g.Sets {
		set, err := version.ParseSpecifiers(row[0])
		switch {
		case len(row) == 1 && err == nil:
			t.Errorf("ParseSpecifiers(%q) = %s, packaging refuses it", row[0], set)
		case len(row) == 2 && err != nil:
			t.Errorf("ParseSpecifiers(%q): %v, packaging reads %s", row[0], err, row[1])
		case len(row) == 2 && set.String() != row[1]:
			t.Errorf("ParseSpecifiers(%q) = %s, packaging says %s", row[0], set, row[1])
		}
	}
	for _, row := range g.Contains {
		spec, item, want := row[0].(string), row[1].(string), row[2].(bool)
		set, err := version.ParseSpecifiers(spec)
		if err != nil {
			t.Errorf("ParseSpecifiers(%q): %v", spec, err)
			continue
		}
		if got := set.ContainsText(item); got != want {
			t.Errorf("%s contains %q: got %t, packaging says %t", spec, item, got, want)
		}
	}
	for _, row := range g.Filter {
		items, ok := versions(row[1])
		if !ok {
			continue // packaging also filters text that is no version
		}
		set, err := version.ParseSpecifiers(row[0].(string))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := versions(row[2])
		if got := set.Filter(items); !slices.EqualFunc(got, want, version.Version.Equal) {
			t.Errorf("%s filters %v to %v, packaging says %v", set, items, got, want)
		}
	}
	t.Logf("%d sets, %d memberships, %d lists filtered", len(g.Sets), len(g.Contains), len(g.Filter))
}

func versions(list any) (found []version.Version, ok bool) {
	for _, s := range list.([]any) {
		v, err := version.Parse(s.(string))
		if err != nil {
			return nil, false
		}
		found = append(found, v)
	}
	return found, true
}
