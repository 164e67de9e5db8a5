package recipe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aBuild is a [[build]] table with further keys.
func aBuild(keys ...string) string {
	return "[[build]]\nname = \"b\"\nsource = \"a\"\n" + strings.Join(keys, "\n") + "\n"
}

const (
	someSteps = `steps = [["make"]]`
	someDebs  = `debs = ["out/b_*.deb"]`
)

func TestBuildFaults(t *testing.T) {
	t.Parallel()
	sound := aBuild(someSteps, someDebs)
	for name, tt := range map[string]struct{ text, want string }{
		"name":               {strings.Replace(sound, `"b"`, `"B"`, 1), `build "B": a build's name consists of`},
		"a word of ours":     {strings.Replace(sound, `"b"`, `"image"`, 1), `build "image": that name is reserved`},
		"a wheel's name":     {strings.Replace(sound, `"b"`, `"a"`, 1), `build "a": another build or wheel has that name`},
		"twice":              {sound + sound, `build "b": another build or wheel has that name`},
		"source":             {strings.Replace(sound, `"a"`, `"x"`, 1), `build "b": no [[source]] is named "x"; choose from a`},
		"no step":            {aBuild(someDebs), "steps: at least one is needed"},
		"an empty step":      {aBuild(`steps = [["make"], []]`, someDebs), "steps: at least one is needed"},
		"nothing made":       {aBuild(someSteps), "it makes nothing: name debs, files, wheels or tree"},
		"subdirectory":       {sound + `subdirectory = "../x"`, `subdirectory "../x" leaves the tree`},
		"a glob out":         {aBuild(someSteps, `debs = ["../b_*.deb"]`), `"../b_*.deb" is not a path pattern below its source`},
		"a glob from root":   {aBuild(someSteps, `wheels = ["/b.whl"]`), `"/b.whl" is not a path pattern`},
		"no glob":            {aBuild(someSteps, `tree = "[x"`), `"[x" is not a path pattern`},
		"a deb's name":       {aBuild(someSteps, `debs = ["out/*.deb"]`), `debs: "out/*.deb" does not begin with a package name and an underscore`},
		"a deb's version":    {aBuild(someSteps, `debs = ["b=1_*.deb"]`), `debs: "b=1_*.deb" does not begin with`},
		"a file's place":     {aBuild(someSteps, `files = { "opt/x" = "x" }`), `build "b": files: "opt/x" is not the absolute path of a file`},
		"the record's place": {aBuild(someSteps, `files = { "/workspace/build.json" = "x" }`), `files: "/workspace/build.json" is the path of the image's own record`},
		"in the way":         {aBuild(someSteps, `files = { "/opt" = "x", "/opt/y" = "y" }`), `files: "/opt/y" is in the way of "/opt"`},
		"install where":      {sound + `install = ["host"]`, `install: "host" is neither build nor image`},
		"install what":       {aBuild(someSteps, `tree = "x"`, `install = ["image"]`), "install applies to debs, but there are none"},
		"a package":          {sound + `packages = ["-o"]`, `packages: "-o" is neither a package name`},
		"a variable":         {sound + `environment = { "A-B" = "1" }`, `environment: "A-B" is not a variable name`},
		"memory":             {sound + `memory-per-job = "lots"`, "memory-per-job is not a size"},
		"cpus":               {sound + `cpus = -1`, "cpus -1 is not a number of CPUs"},
		"an unknown key":     {sound + `step = []`, "unknown key build.step (nearest known key: steps)"},
		"an input of nothing": {sound + `inputs = { c = "/c" }`,
			`build "b": inputs: c: nothing in the recipe has that name`},
		"an input of its own": {aBuild(someSteps, `tree = "x"`, `inputs = { b = "/c" }`), `inputs: build "b" is not one before it that has a tree`},
		"a wheel's input without a tree": {strings.Replace(minimal, "[[wheel]]", sound+"[[wheel]]", 1) + `inputs = { b = "/b" }`,
			`wheel "a": inputs: b: nothing in the recipe has that name`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := tt.text
			if !strings.HasPrefix(text, minimal[:20]) {
				text = minimal + text
			}
			_, err := Parse("r", "", []byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	text := minimal + aBuild(someSteps, `debs = ["out/libb2_*.deb", "out/libb-dev_*.deb"]`, `packages = ["debhelper", "make=4.3"]`, `install = ["build"]`, `memory-per-job = "2GiB"`)
	r, err := Parse("r", "", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, ok := r.Build("b")
	if !ok || !b.Installs("build") || b.Installs("image") || b.MemoryPerJob != 2<<30 {
		t.Errorf("the build is %+v", b)
	}
	if got := []string{DebName(b.Debs[0]), DebName(b.Debs[1])}; !cmp.Equal(got, []string{"libb2", "libb-dev"}) {
		t.Errorf("its packages are %q", got)
	}
	if diff := cmp.Diff([]string{"debhelper", "make"}, r.Packages.Names()); diff != "" || r.Packages.Empty() {
		t.Errorf("names of packages (-want +got):\n%s", diff)
	}
	l := NewPackages(r.Packages, []LockedDeb{{Name: "make", Alone: []string{"b"}}, {Name: "gcc", BuildOnly: true}, {Name: "vim"}})
	for _, tt := range []struct {
		who  string
		debs []LockedDeb
		want string
	}{{"the image", l.For(false), "vim"}, {"every build", l.For(true), "gcc"}, {"b", l.ForBuild("b"), "make"}} {
		if len(tt.debs) != 1 || tt.debs[0].Name != tt.want {
			t.Errorf("%s has %v, want %s", tt.who, tt.debs, tt.want)
		}
	}
	asked := r.Packages
	asked.Alone = map[string][]string{"b": {"debhelper"}}
	if !l.Answers(r.Packages) || l.Answers(asked) || l.ForBuild("c") != nil && len(l.ForBuild("c")) > 0 {
		t.Error("the lock answers another question than it was made for")
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	v := Values{Version: "1.2", Commit: strings.Repeat("c", 40), Ref: "main", Machine: "aarch64", GPUArch: "12.1a"}
	v.Time = v.Time.AddDate(2025, 5, 2)
	got := Expand("{version} {short} {ref} {date} {date-rfc2822} {machine} {gpu-arch} {sm} {jobs} {x}", v)
	if want := "1.2 cccccccc main 2026-06-03 Wed, 03 Jun 2026 00:00:00 +0000 aarch64 12.1a 121a {jobs} {x}"; got != want {
		t.Errorf("Expand = %q, want %q", got, want)
	}
	if got := Expand("{commit}", v); got != v.Commit {
		t.Errorf("Expand = %q", got)
	}
}

func TestProvidedFaults(t *testing.T) {
	t.Parallel()
	set := "[runtime]\nrequires = [\"torch\"]\n"
	for name, tt := range map[string]struct{ table, want string }{
		"the name":      {set + `provided = { Nvidia_NCCL = "libnccl2" }`, "runtime.provided: Nvidia_NCCL: write the distribution as nvidia-nccl"},
		"the package":   {set + `provided = { n = "libnccl2=1" }`, `n: "libnccl2=1" is not the name of a Debian package`},
		"excluded":      {set + "excludes = [\"n\"]\nprovided = { n = \"libn\" }", "it is among runtime.excludes too"},
		"built here":    {set + `provided = { b = "libn" }`, "a [[wheel]] builds it"},
		"no set at all": {"[runtime]\nprovided = { n = \"libn\" }", "there is no runtime set"},
	} {
		_, err := Parse("r", "", []byte(minimal+"distribution = \"b\"\n"+tt.table))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", name, err, tt.want)
		}
	}
	r, err := Parse("r", "", []byte(minimal+set+`provided = { nvidia-nccl-cu13 = "libnccl2" }`))
	if err != nil || r.Runtime.Provided["nvidia-nccl-cu13"] != "libnccl2" {
		t.Errorf("Parse = %v", err)
	}
}
