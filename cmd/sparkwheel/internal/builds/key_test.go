package builds

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// notInKey are the fields of a build that no key covers, and why.
var notInKey = map[string]string{
	"Jobs":     "how many processors the host lends; the build sees as many as CPUs says",
	"Memory":   "how much memory the host lends",
	"Launcher": "this program's path; it passes compilers' commands on",
	"CCache":   "a cache gives what the compiler would",
	"Foretold": "a build of steps has no backend to ask",
	"Vary":     "a second build, whose products are compared and not kept",
	"Gate":     "it ends a build, which leaves nothing; what was built is judged again, whether or not it was built now",
	"Python":   "a build of steps has none",
	"UV":       "a build of steps has none",
	"Wheels":   "a build of steps has none",
	"Shims":    "a build of steps has none",
	"Config":   "a build of steps has none",
	"Frontend": "a build of steps has none",
	"Trees":    "a build of steps has none",
	"NoRepack": "wheels are always repacked",
	"LeaveOut": "a build of steps has none",
}

// inKey are changes of what a build is made from, by the field of builder.Spec
// that each changes.
var inKey = map[string]func(*Plan){
	"Source":       func(p *Plan) { p.Tree = &sources.Tree{Dir: "/other", Key: "other"} },
	"Subdir":       func(p *Plan) { p.Recipe.Subdirectory = "sub" },
	"Files":        func(p *Plan) { p.Source.Files = map[string]string{"f": "{version}"} },
	"Distribution": func(p *Plan) { p.Recipe.Name = "other" },
	"Steps":        func(p *Plan) { p.Recipe.Steps = [][]string{{"make", "{commit}"}} },
	"Env":          func(p *Plan) { p.Recipe.Environment = map[string]string{"A": "{version}"} },
	"Mounts": func(p *Plan) {
		place := func(context.Context, host.Env) (string, error) { return "/model", nil }
		p.Inputs = []sources.Input{{Name: "model", Target: "/model", Digest: "m", Place: place}}
	},
	"Epoch":        func(p *Plan) { p.Locked.Time = time.Unix(2, 0) },
	"MemoryPerJob": func(p *Plan) { p.Recipe.MemoryPerJob = 1 },
	"CPUs":         func(p *Plan) { p.Recipe.CPUs = 4 },
}

// TestKeyCoversTheBuild: every field of a build is in its key, or in notInKey
// with a reason. A field that is added to builder.Spec and forgotten fails here.
func TestKeyCoversTheBuild(t *testing.T) {
	t.Parallel()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[builder.Spec]()) {
		change, covered := inKey[field.Name]
		if _, excluded := notInKey[field.Name]; excluded == covered {
			t.Errorf("builder.Spec.%s: say in inKey how the build's key covers it, or in notInKey why none does", field.Name)
		}
		if !covered {
			continue
		}
		before, after := keyed(), keyed()
		change(&after)
		if before.Key().String() == after.Key().String() {
			t.Errorf("another %s leaves the build's key as it was", field.Name)
		}
		was, is := reflect.ValueOf(specOf(t, before)).FieldByName(field.Name), reflect.ValueOf(specOf(t, after)).FieldByName(field.Name)
		if reflect.DeepEqual(was.Interface(), is.Interface()) {
			t.Errorf("the change of %s does not change builder.Spec.%s", field.Name, field.Name)
		}
	}
}

// TestKeyCoversTheRecipe: every key of a [[build]] that decides on what it makes
// is in the build's key; where its packages go and how they are judged is not.
func TestKeyCoversTheRecipe(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*recipe.Build){
		"Source":   func(b *recipe.Build) { b.Source = "x" },
		"Packages": func(b *recipe.Build) { b.Packages = []string{"x"} },
		"Inputs":   func(b *recipe.Build) { b.Inputs = map[string]string{"x": "/x"} },
		"Debs":     func(b *recipe.Build) { b.Debs = []string{"x_*.deb"} },
		"Files":    func(b *recipe.Build) { b.Files = map[string]string{"/x": "x"} },
		"Tree":     func(b *recipe.Build) { b.Tree = "x" },
		"Wheels":   func(b *recipe.Build) { b.Wheels = []string{"x"} },
	}
	same := keyed()
	same.Recipe.Install = []string{"image"}
	if same.Key().String() != keyed().Key().String() {
		t.Error("where packages are installed changes the key of the build that makes them")
	}
	elsewhere := map[string]string{"Name": "Distribution", "Subdirectory": "Subdir", "Environment": "Env", "Steps": "Steps", "MemoryPerJob": "MemoryPerJob", "CPUs": "CPUs"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[recipe.Build]()) {
		p := keyed()
		switch change, spec := changes[field.Name], inKey[elsewhere[field.Name]]; {
		case field.Name == "Missing":
			continue // what keeps a build from running makes no part of its result
		case field.Name == "Install", field.Name == "GPU":
			continue // they say what is done with what was made
		case change != nil:
			change(&p.Recipe)
		case spec != nil:
			spec(&p)
		default:
			t.Errorf("recipe.Build.%s: say how the build's key covers it", field.Name)
			continue
		}
		if p.Key().String() == keyed().Key().String() {
			t.Errorf("another %s leaves the build's key as it was", field.Name)
		}
	}
}

// TestKeyCoversThePlan: what is added to Plan is in the key too.
func TestKeyCoversThePlan(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*Plan){
		"Recipe": inKey["Steps"], "Source": inKey["Files"], "Locked": inKey["Epoch"], "Tree": inKey["Source"], "Inputs": inKey["Mounts"],
		"Base":      func(p *Plan) { p.Base = &base.Base{BuildDigest: "other"} },
		"Target":    func(p *Plan) { p.Recipe.Steps, p.Target.GPUArch = [][]string{{"make", "{sm}"}}, "12.1a" },
		"Isolation": func(p *Plan) { p.Isolation = "none" },
	}
	var fields []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Plan]()) {
		fields = append(fields, field.Name)
		if field.Name == "Packages" || field.Name == "Root" {
			continue // what they are is in Base.BuildDigest
		}
		if _, excluded := notInKey[field.Name]; excluded {
			continue
		}
		change := changes[field.Name]
		if change == nil {
			t.Errorf("Plan.%s: say how the build's key covers it", field.Name)
			continue
		}
		p := keyed()
		change(&p)
		if p.Key().String() == keyed().Key().String() {
			t.Errorf("another %s leaves the build's key as it was", field.Name)
		}
	}
	for name := range changes {
		if !slices.Contains(fields, name) {
			t.Errorf("Plan has no field %s", name)
		}
	}
	p := keyed()
	p.Packages, p.Inputs = []index.Pin{{Name: "a"}}, []sources.Input{{Pins: []index.Pin{{Name: "b"}}}}
	if got := p.Needed(); len(got) != 2 {
		t.Errorf("the build needs %v", got)
	}
}

func keyed() Plan {
	return Plan{
		Recipe: recipe.Build{Name: "b", Steps: [][]string{{"make"}}},
		Locked: recipe.LockedSource{Version: "1", Commit: "cccccccccccccccccccccccccccccccccccccccc", Time: time.Unix(1, 0)},
		Tree:   &sources.Tree{Dir: "/tree"}, Base: &base.Base{},
	}
}

func specOf(t *testing.T, p Plan) builder.Spec {
	t.Helper()
	spec, err := p.spec(t.Context(), host.Env{Store: store.Store{Dir: "/store"}})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
