package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// After a build there is nothing to do; after one change, what depends on it and
// nothing else, in a recipe that has one of everything.
func TestE2EPlanIsExact(t *testing.T) {
	w := openWorkshop(t)
	text := "one"
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
	t.Cleanup(files.Close)
	all := workshopRecipe + `
[image.groups]
templates = ["jinja2", "markup*"]
[runtime]
requires = ["markupsafe==3.0.2", "jinja2", "idna==3.10", "packaging==25.0"]
[[file]]
name = "words"
url = "https://files.example.com/words"
image = "/opt/words.txt"
`
	run := func(command string, args ...string) *running {
		return w.sparkwheel("", "root", command, append(args, "--lock", "../recipe.lock", "--mirror", "https://files.example.com/="+files.URL+"/")...)
	}
	// todo locks the recipe as it is now and names the stages of its build.
	todo := func(recipe string, args ...string) []string {
		t.Helper()
		w.write("recipe.toml", recipe)
		run("lock", append(args, "--base", "tar:"+w.base)...).mustRun()
		var doc struct {
			Stages []struct {
				Name string
				Hit  bool
			}
		}
		w.must(json.Unmarshal([]byte(run("plan", "--json").mustRun()), &doc))
		var names []string
		for _, s := range doc.Stages {
			if !s.Hit {
				names = append(names, s.Name)
			}
		}
		return names
	}
	w.write("recipe.toml", all)
	run("lock", "--base", "tar:"+w.base).mustRun()
	run("build", "-o", "out").mustRun()
	for _, step := range []struct {
		what, recipe string
		change       func()
		args         []string
		want         []string
	}{
		{what: "nothing", recipe: all},
		{what: "a rule of alpha", recipe: strings.Replace(all, `"triton"`, `"triton", "triton-kernels"`, 1), want: []string{"wheel alpha", "layer alpha", "image"}},
		{what: "beta's environment", recipe: strings.Replace(all, "distribution = \"beta\"", "distribution = \"beta\"\nenvironment = { X = \"1\" }", 1), want: []string{"wheel beta", "layer beta", "image"}},
		{what: "the image's environment", recipe: strings.Replace(all, "workdir = \"/workspace\"", "workdir = \"/workspace\"\nenvironment = { X = \"1\" }", 1), want: []string{"image"}},
		{what: "a group", recipe: strings.Replace(all, `"jinja2", "markup*"`, `"jinja2", "markup*", "idna"`, 1), want: []string{"layer templates", "image"}},
		{what: "a version of the runtime set", recipe: strings.Replace(all, "idna==3.10", "idna==3.9", 1), want: []string{"runtime", "layer idna", "image"}},
		{what: "the file", recipe: all, change: func() { text = "two" }, args: []string{"--upgrade=words"}, want: []string{"layer files", "image"}},
		{what: "nothing, the file as it was", recipe: all, change: func() { text = "one" }, args: []string{"--upgrade=words"}},
	} {
		if step.change != nil {
			step.change()
		}
		if diff := cmp.Diff(step.want, todo(step.recipe, step.args...)); diff != "" {
			t.Errorf("after a change of %s (-want +got):\n%s", step.what, diff)
		}
	}
}

// A disk that fills half way and a store that cannot be written are told, and
// the next run on a better one goes on where the first ended.
func TestE2EFetchOntoBadDisks(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" || os.Getuid() != 0 {
		t.Skip("mounts file systems: set SPARKWHEEL_E2E=1, as root")
	}
	d := openDepot(t)
	large := make([]byte, 3<<20)
	rand.Read(large)
	d.bodies["/words.txt"] = large
	d.makeLock()
	store := filepath.Join(d.dir, "store")
	mount := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("mount", append(args, store)...).CombinedOutput(); err != nil {
			t.Fatalf("mount %q: %v\n%s", args, err, out)
		}
	}
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	mount("-t", "tmpfs", "-o", "size=2m", "none")
	t.Cleanup(func() { exec.Command("umount", store).Run() })
	d.wantCode(codeDisk, []string{"has 2 MB free, but 3 MB are still to be downloaded", "cache gc"}, "fetch")
	// A size that the lock does not tell is met half way.
	lock := d.read("recipe.lock")
	d.write("recipe.lock", strings.Replace(lock, "size = 3145728", "size = 0", 1))
	d.wantCode(codeDisk, []string{"no space left on device", "what was downloaded is kept"}, "fetch")
	mount("-o", "remount,size=8m")
	before := d.asked["/words.txt"]
	d.mustRun("fetch")
	if came := d.asked["/words.txt"] - before; came > int64(len(large)) {
		t.Errorf("the next fetch brought %d bytes of a file of %d", came, len(large))
	}
	d.write("recipe.lock", lock)
	mount("-o", "remount,ro")
	d.wantCode(codeDisk, []string{"read-only", store, "give --store a directory that you can write to"}, "build", "-o", filepath.Join(d.dir, "out"))
	mount("-o", "remount,rw")
	d.mustRun("build", "-o", filepath.Join(d.dir, "out"))
}
