package pipeline

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// todo names the stages that a plan says are to be done.
func todo(t *testing.T, req Request) (names []string) {
	t.Helper()
	looks, err := Plan(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Missing(looks) {
		names = append(names, l.Name)
		if l.Reason == "" {
			t.Errorf("%s is missing without a reason", l.Name)
		}
	}
	return names
}

// started hears which stages ran.
type started map[string]bool

func (s started) Report(e stage.Event) {
	if e.Kind == stage.Start {
		s[e.Stage] = true
	}
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestPlanSaysWhatChanges: a plan has nothing to do exactly when a build makes
// the image that it made before.
func TestPlanSaysWhatChanges(t *testing.T) {
	t.Parallel()
	pushed := func(target string) *Push {
		return &Push{Target: target, Send: func(context.Context, v1.Image) error { return nil }}
	}
	for name, test := range map[string]struct {
		change func(*Request)
		want   []string
		same   bool // the build makes the same image
	}{
		"nothing":                 {change: func(*Request) {}, same: true},
		"the image's environment": {change: func(r *Request) { r.Recipe.Image.Environment = map[string]string{"A": "2"} }, want: []string{"image"}},
		"a label":                 {change: func(r *Request) { r.Recipe.Image.Labels = nil }, want: []string{"image"}},
		"a comment of the recipe": {change: func(r *Request) { r.Recipe.TextDigest = "sha256:" + strings.Repeat("3", 64) }, same: true},
		"a lock made anew":        {change: func(r *Request) { r.Lock.RecipeDigest = "sha256:" + strings.Repeat("3", 64) }, want: []string{"image"}},
		"a group":                 {change: func(r *Request) { r.Recipe.Image.Groups = nil }, want: []string{"layer one", "layer two", "image"}},
		"a file's mode":           {change: func(r *Request) { r.Recipe.Files[0].Executable = false }, want: []string{"layer files", "image"}},
		"where the base is":       {change: func(r *Request) { r.Lock.Base.Reference.Path = "/elsewhere.tar" }, same: true},
		"a push":                  {change: func(r *Request) { r.Push = pushed("example.com/a:1") }, want: []string{"push to example.com/a:1"}, same: true},
		"what has no runtime":     {change: func(r *Request) { r.Lock.Runtime = nil }, want: []string{"image"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			p.prepare()
			before := digestOf(t, p.image().Image)
			req := p.request(true)
			test.change(&req)
			if diff := cmp.Diff(test.want, todo(t, req)); diff != "" {
				t.Errorf("the plan (-want +got):\n%s", diff)
			}
			if after := digestOf(t, p.build(req).Image); (after == before) != test.same {
				t.Errorf("the image was %s and is %s", before, after)
			}
			if left := todo(t, req); left != nil {
				t.Errorf("after the build, the plan still has %q", left)
			}
		})
	}
}

// TestPlanWaits: what cannot be known before a stage ran says which.
func TestPlanWaits(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	const unpacked = "its base is not unpacked yet"
	want := map[string]string{
		"base": "never made in this store", "base unpacked": "never made in this store", "interpreter": "never made in this store",
		"uv": "never made in this store", "source s": "never made in this store",
		"wheel w": unpacked, "base's files": unpacked, "runtime": unpacked, "layers": unpacked, "image": unpacked,
	}
	reasons := func() map[string]string {
		got := map[string]string{}
		for _, l := range Missing(p.plan(true)) {
			got[l.Name] = l.Reason
			if (l.Key == "") != (l.Reason == unpacked || strings.HasSuffix(l.Reason, " first")) {
				t.Errorf("%s has the key %q and waits: %s", l.Name, l.Key, l.Reason)
			}
		}
		return got
	}
	if diff := cmp.Diff(want, reasons()); diff != "" {
		t.Errorf("an empty store (-want +got):\n%s", diff)
	}
	p.prepare()
	got := reasons()
	for _, name := range []string{"layers", "image"} {
		if got[name] != "its base's files are read first" {
			t.Errorf("%s waits because %q", name, got[name])
		}
	}
	p.image()
	p.recipe.Wheels[0].Config = map[string]string{"x": "y"}
	got = reasons()
	for _, name := range []string{"layer w", "image"} {
		if got[name] != "wheel w is built first" {
			t.Errorf("%s waits because %q", name, got[name])
		}
	}
}

// TestPlanNamesAllThatABuildKeeps: the store has after a build what the plan
// named, and beside it the layer of the image's notes alone.
func TestPlanNamesAllThatABuildKeeps(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.prepare()
	p.image()
	planned := map[string]bool{}
	for _, l := range p.plan(true) {
		planned[l.Key] = true
	}
	var more []string
	for _, kind := range []string{store.Stage, store.Rootfs, store.Tools} {
		entries, err := os.ReadDir(p.env.Store.Path(kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !planned[e.Name()] {
				text, err := os.ReadFile(filepath.Join(p.env.Store.Path(kind), e.Name(), "entry.json"))
				if err != nil {
					t.Fatal(err)
				}
				more = append(more, string(text))
			}
		}
	}
	if len(more) != 1 || !strings.Contains(more[0], `"layer record"`) {
		t.Errorf("beside what the plan names, the store has %q", more)
	}
}

// TestFetchIsPartOfTheBuild: all that a build would download is what a fetch
// brings, and nothing of it runs upstream code.
func TestFetchIsPartOfTheBuild(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.prepare()
	for _, f := range p.lock.UV { // the fetch has no network
		p.write(filepath.Join(p.env.Store.Blobs(), "sha256", f.SHA256), "x")
	}
	g := new(stage.Graph)
	part, s, err := Fetch(g, p.request(false))
	if err != nil {
		t.Fatal(err)
	}
	told := started{}
	if err := part.Run(t.Context(), 1, told); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"all files", "base", "fetched", "packages", "source s"}, slices.Sorted(maps.Keys(told))); diff != "" {
		t.Errorf("stages that ran (-want +got):\n%s", diff)
	}
	var files []string
	for _, pin := range s.Value().Pins {
		files = append(files, pin.File)
	}
	slices.Sort(files)
	want := []string{"model.json", "one-1.0-py3-none-any.whl", "three-1.0-py3-none-any.whl", "tool", "two-1.0-py3-none-any.whl", "uv.whl"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestRequestsKnowTheRecipesIndexes: a second build downloads from the recipe's
// further indexes with their passwords, as the first does.
func TestRequestsKnowTheRecipesIndexes(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.recipe.Indexes = []recipe.Index{{Name: "own", URL: "https://example.com/simple/", Distributions: []string{"one"}}}
	p.env.IndexPassword = func(string) (string, string, bool) { return "me", "secret", true }
	b := newBuild(new(stage.Graph), p.request(false))
	if got := b.Env.Index.Extra["one"]; got != "https://me:secret@example.com/simple/" {
		t.Errorf("one is asked for at %q", got)
	}
}

// TestPlanOnABaseThatHasTheDistribution: what wheels replace changes the layers
// above, and is known to a plan only from the wheels.
func TestPlanOnABaseThatHasTheDistribution(t *testing.T) {
	t.Parallel()
	const info = "usr/local/lib/python3.12/dist-packages/one-0.9.dist-info/"
	p := newProjectOn(t, map[string]string{
		"usr/local/lib/python3.12/dist-packages/one_old.py": "",
		info + "METADATA":  "Metadata-Version: 2.1\nName: one\nVersion: 0.9\n",
		info + "INSTALLER": "pip\n",
		info + "RECORD":    "one_old.py,,\none-0.9.dist-info/METADATA,,\none-0.9.dist-info/INSTALLER,,\none-0.9.dist-info/RECORD,,\n",
	})
	p.prepare()
	p.image()
	req := p.request(true)
	if left := todo(t, req); left != nil {
		t.Errorf("after the build, the plan still has %q", left)
	}
	var names []string
	for _, l := range p.plan(true) {
		names = append(names, l.Name)
	}
	if !slices.Contains(names, "layer whiteouts") {
		t.Errorf("the plan has %q, and no layer of whiteouts", names)
	}
	p.recipe.Wheels[0].Config = map[string]string{"x": "y"}
	if diff := cmp.Diff([]string{"wheel w", "layers", "image"}, todo(t, req)); diff != "" {
		t.Errorf("a wheel is missing (-want +got):\n%s", diff)
	}
}
