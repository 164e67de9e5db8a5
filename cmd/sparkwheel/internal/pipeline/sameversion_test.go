package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

// family is a recipe of three wheels of one source, each with a module that
// states its version, and its lock.
func family(cubin string) (*recipe.Recipe, *recipe.Lock) {
	meta := "__version__ = \"{version}+{short}\"\n"
	r := &recipe.Recipe{
		SameVersion: [][]string{{"lib", "cubin", "cache"}},
		Sources: []recipe.Source{{Name: "s", Files: map[string]string{
			"lib/_meta.py": meta, "cubin/pkg/_meta.py": cubin, "cache/pkg/_meta.py": meta, "cache/pkg/other.py": "x = 1\n", "cache/pkg/bad.py": "\"",
		}}},
		Wheels: []recipe.Wheel{
			{Name: "lib", Source: "s"}, {Name: "cubin", Source: "s", Subdirectory: "cubin"}, {Name: "cache", Source: "s", Subdirectory: "cache"},
			{Name: "apart", Source: "s", Subdirectory: "apart"},
		},
	}
	l := &recipe.Lock{Platform: "linux/arm64", Sources: []recipe.LockedSource{{Name: "s", Version: "0.6.12", Commit: strings.Repeat("c", 40)}}}
	return r, l
}

// Versions that the recipe's own files state are compared when it is locked.
func TestStatedVersionsDisagree(t *testing.T) {
	t.Parallel()
	r, l := family("__version__ = '{version}+cccccccc'\n")
	if err := agree(r, statedVersions(r, l, sources.Target{})); err != nil {
		t.Error(err)
	}
	r, l = family("__version__ = '{version}'\n")
	err := agree(r, statedVersions(r, l, sources.Target{}))
	want := "lib is 0.6.12+cccccccc (lib/_meta.py of the recipe), and cubin is 0.6.12 (cubin/pkg/_meta.py of the recipe)"
	if bad, ok := errors.AsType[*VersionsError](err); !ok || !strings.Contains(bad.Error(), want) {
		t.Errorf("versions that differ gave %v, want %q", err, want)
	}
	r.SameVersion = [][]string{{"lib", "cache"}, {"cubin", "apart"}}
	if err := agree(r, statedVersions(r, l, sources.Target{})); err != nil {
		t.Error(err)
	}
}

// A wheel whose version will not be that of one that was built ends before it is
// built; one that came out otherwise, after.
func TestVersionsOfBuiltWheelsDisagree(t *testing.T) {
	t.Parallel()
	r, l := family("__version__ = '{version}+cccccccc'\n")
	for _, test := range []struct {
		lib, cache    string // as they are built
		before, after bool   // whether the build of cache ends
	}{
		{"0.6.12+cccccccc", "0.6.12+cccccccc", false, false},
		{"0.6.12", "0.6.12", true, false},
		{"0.6.12+cccccccc", "0.6.12", false, true},
	} {
		b := newBuild(&stage.Graph{}, Request{Recipe: r, Lock: l})
		lib := stage.Add(b.graph, "wheel lib", func(context.Context, *stage.Run) (madeWheel, error) {
			return madeWheel{wheel: &wheels.Wheel{Name: "lib", Version: test.lib}}, nil
		})
		apart := stage.Add(b.graph, "wheel apart", func(context.Context, *stage.Run) (madeWheel, error) {
			return madeWheel{wheel: &wheels.Wheel{Name: "apart", Version: "9"}}, nil
		})
		b.wheels = []namedWheel{{r.Wheels[0], lib}, {r.Wheels[3], apart}}
		if err := b.graph.Run(t.Context(), 1, silent{}); err != nil {
			t.Fatal(err)
		}
		before := b.sharing(r.Wheels[2])
		if len(before) != 1 || before[0].Name != "lib" {
			t.Fatalf("cache shares its version with %+v", before)
		}
		if err := b.checkBefore(r.Wheels[2], before); (err != nil) != test.before {
			t.Errorf("%+v: before the build: %v", test, err)
		}
		if err := b.checkAfter(madeWheel{wheel: &wheels.Wheel{Name: "cache", Version: test.cache}}, before); (err != nil) != test.after {
			t.Errorf("%+v: after the build: %v", test, err)
		}
	}
}
