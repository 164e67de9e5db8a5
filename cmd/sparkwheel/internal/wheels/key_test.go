package wheels

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
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
	"Gate":     "it ends a build, which leaves no wheel; what was built is judged again, whether or not it was built now",
	"Foretold": "it ends a build, which leaves no wheel; what was built is checked again",
	"Agree":    "it ends a build, which leaves no wheel; what was built is checked again",
	"Steps":    "a wheel has none: builder.Wheels takes them away",
	"Vary":     "a second build, whose wheel is compared and not kept",
}

// inKey are changes of what a wheel is built from, by the field of builder.Spec
// that each changes.
var inKey = map[string]func(*Plan){
	"Source":       func(p *Plan) { p.Tree = &sources.Tree{Dir: "/other", Key: "other"} },
	"Subdir":       func(p *Plan) { p.Recipe.Subdirectory = "sub" },
	"Files":        func(p *Plan) { p.Source.Files = map[string]string{"f": "{version}"} },
	"Distribution": func(p *Plan) { p.Recipe.Distribution = "other" },
	"Python":       func(p *Plan) { p.Base = &base.Base{Python: base.Python{Path: "/usr/local/bin/python3"}} },
	"UV":           func(p *Plan) { p.UV = environments.Tool{Path: "/other/uv", SHA256: "other"} },
	"Wheels":       func(p *Plan) { p.Pins = []index.Pin{{Name: "a", File: "a-1-py3-none-any.whl", SHA256: "a"}} },
	"Shims":        func(p *Plan) { p.Recipe.Shims = []recipe.Shim{{Name: "torch", Version: "2.11.0"}} },
	"Env":          func(p *Plan) { p.Recipe.Environment = map[string]string{"A": "{version}"} },
	"Config":       func(p *Plan) { p.Recipe.Config = map[string]string{"a": "b"} },
	"Mounts": func(p *Plan) {
		place := func(context.Context, host.Env) (string, error) { return "/model", nil }
		p.Inputs = []sources.Input{{Name: "model", Target: "/model", Digest: "m", Place: place}}
	},
	"Trees": func(p *Plan) {
		p.Recipe.FetchContent = &recipe.FetchContent{Arguments: "CMAKE_ARGS"}
		p.Contents = []sources.Content{{Locked: recipe.LockedContent{Name: "c", Argument: "C"}, Tree: &sources.Tree{Key: "c"}}}
	},
	"Epoch":        func(p *Plan) { p.Locked.Time = time.Unix(2, 0) },
	"Frontend":     func(p *Plan) { p.Recipe.Frontend = "pip" },
	"MemoryPerJob": func(p *Plan) { p.Recipe.MemoryPerJob = 1 },
	"CPUs":         func(p *Plan) { p.Recipe.CPUs = 4 },
	"NoRepack":     func(p *Plan) { p.Recipe.Repack = true },
	"LeaveOut":     func(p *Plan) { p.Recipe.LeaveOut = []string{"**/*.lock"} },
}

// TestKeyCoversTheBuild: every field of a build is in the wheel's key, or in
// notInKey with a reason. A field that is added to builder.Spec and forgotten
// fails here.
func TestKeyCoversTheBuild(t *testing.T) {
	t.Parallel()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[builder.Spec]()) {
		change, covered := inKey[field.Name]
		if _, excluded := notInKey[field.Name]; excluded == covered {
			t.Errorf("builder.Spec.%s: say in inKey how the wheel's key covers it, or in notInKey why none does", field.Name)
		}
		if !covered {
			continue
		}
		before, after := keyed(t), keyed(t)
		change(&after)
		if before.Key().String() == after.Key().String() {
			t.Errorf("another %s leaves the wheel's key as it was", field.Name)
		}
		if same(specOf(t, before), specOf(t, after), field.Name) {
			t.Errorf("the change of %s does not change builder.Spec.%s", field.Name, field.Name)
		}
	}
	for name := range inKey {
		if _, ok := reflect.TypeFor[builder.Spec]().FieldByName(name); !ok {
			t.Errorf("builder.Spec has no field %s", name)
		}
	}
}

func same(a, b builder.Spec, field string) bool {
	return reflect.DeepEqual(reflect.ValueOf(a).FieldByName(field).Interface(), reflect.ValueOf(b).FieldByName(field).Interface())
}

func keyed(t *testing.T) Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "setup.py"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return Plan{
		Locked: recipe.LockedSource{Version: "1", Commit: "cccccccccccccccccccccccccccccccccccccccc", Time: time.Unix(1, 0)},
		Tree:   &sources.Tree{Dir: dir}, Base: &base.Base{Python: base.Python{Path: "/usr/bin/python3"}},
	}
}

func specOf(t *testing.T, p Plan) builder.Spec {
	t.Helper()
	env := host.Env{Store: store.Store{Dir: "/store"}}
	spec, err := p.spec(t.Context(), env, p.wheelFiles(env))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestKeyCoversThePlan: what is added to Plan is in the key too.
func TestKeyCoversThePlan(t *testing.T) {
	t.Parallel()
	changes := map[string]func(*Plan){
		"Recipe": inKey["Config"], "Source": inKey["Files"], "Locked": inKey["Epoch"], "Tree": inKey["Source"], "Base": inKey["Python"],
		"UV": inKey["UV"], "Pins": inKey["Wheels"], "Inputs": inKey["Mounts"], "Contents": inKey["Trees"],
		"Target":    func(p *Plan) { p.Recipe.Environment, p.Target.GPUArch = map[string]string{"A": "{gpu-arch}"}, "12.1a" },
		"Isolation": func(p *Plan) { p.Isolation = "none" }, "Host": func(p *Plan) { p.Host = &base.HostRoot{System: "Ubuntu"} },
	}
	var fields []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Plan]()) {
		fields = append(fields, field.Name)
		if _, excluded := notInKey[field.Name]; excluded {
			continue
		}
		change := changes[field.Name]
		if change == nil {
			t.Errorf("Plan.%s: say how the wheel's key covers it", field.Name)
			continue
		}
		p := keyed(t)
		before := p.Key().String()
		change(&p)
		if p.Key().String() == before {
			t.Errorf("another %s leaves the wheel's key as it was", field.Name)
		}
	}
	for name := range changes {
		if !slices.Contains(fields, name) {
			t.Errorf("Plan has no field %s", name)
		}
	}
}
