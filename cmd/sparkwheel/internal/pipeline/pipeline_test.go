package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel"
)

func TestSplitTag(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"dir":            {"dir", "latest"},
		"a/b:v1":         {"a/b", "v1"},
		"/a:b/c":         {"/a:b/c", "latest"},
		"out/image:test": {"out/image", "test"},
	} {
		if dir, tag := SplitTag(in); dir != want[0] || tag != want[1] {
			t.Errorf("SplitTag(%q) = %q, %q, want %q", in, dir, tag, want)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestReadPython(t *testing.T) {
	t.Parallel()
	debian, own, two := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, debian, "usr/bin/python3", "")
	write(t, debian, "usr/lib/python3.12/os.py", "")
	write(t, debian, "usr/lib/python3/dist-packages/x", "")
	write(t, debian, "usr/lib/aarch64-linux-gnu/libc.so.6", "\x00GNU C Library (Ubuntu GLIBC 2.39-0ubuntu8) stable release version 2.39.\n")
	write(t, own, "usr/local/bin/python3", "")
	write(t, own, "usr/bin/python3", "")
	write(t, own, "usr/local/lib/python3.13/os.py", "")
	write(t, own, "usr/lib/python3.11/os.py", "")
	write(t, two, "usr/bin/python3", "")
	write(t, two, "usr/lib/python3.11/os.py", "")
	write(t, two, "usr/lib/python3.12/os.py", "")
	type answer struct{ Path, Version, Purelib, Python, GLIBC, Err string }
	tests := map[string]struct {
		root, asked string
		want        answer
	}{
		"Debian's":           {debian, "", answer{"/usr/bin/python3", "3.12", "usr/local/lib/python3.12/dist-packages", "/usr/bin/python3", "2.39", ""}},
		"CPython's own":      {own, "", answer{"/usr/local/bin/python3", "3.13", "usr/local/lib/python3.13/site-packages", "/usr/local/bin/python3", "", ""}},
		"two versions":       {two, "", answer{Err: "2 versions of Python at /usr/bin/python3; say with --python which one"}},
		"two, one asked for": {two, "3.12", answer{"/usr/bin/python3", "3.12", "usr/local/lib/python3.12/dist-packages", "/usr/bin/python3", "", ""}},
		"none":               {t.TempDir(), "", answer{Err: "the base has no Python"}},
		"none, one asked for": {t.TempDir(), "3.12", answer{
			"/usr/bin/python3", "3.12", "usr/local/lib/python3.12/dist-packages", "/usr/bin/python3", "", "the base has no Python",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := readPython(tt.root, "arm64", tt.asked)
			got := answer{p.Path, p.Version, p.Scheme.Purelib, p.Scheme.Python, p.GLIBC, ""}
			if err != nil {
				if tt.want.Err == "" || !strings.Contains(err.Error(), tt.want.Err) {
					t.Fatalf("readPython: %v", err)
				}
				got.Err = tt.want.Err
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("readPython (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfiguredPython(t *testing.T) {
	t.Parallel()
	path, version := configuredPython([]string{"PATH=/x", "PYTHON_VERSION=3.12.11"}, "3.13")
	if path != "/usr/local/bin/python3" || version != "3.12" {
		t.Errorf("an image of CPython's own gave %s, %s", path, version)
	}
	path, version = configuredPython(nil, "3.13")
	if path != "/usr/bin/python3" || version != "3.13" {
		t.Errorf("another image gave %s, %s", path, version)
	}
}

func TestRequestedPlatform(t *testing.T) {
	t.Parallel()
	host := v1.Platform{OS: "linux", Architecture: "amd64"}
	tests := map[string]struct {
		asked string
		files []string
		want  string
	}{
		"pure wheels":    {"", []string{"a-1-py3-none-any.whl"}, "linux/amd64"},
		"compiled":       {"", []string{"a-1-py3-none-any.whl", "b-1-cp312-cp312-manylinux_2_28_aarch64.whl"}, "linux/arm64"},
		"asked":          {"linux/arm64", []string{"a-1-py3-none-any.whl"}, "linux/arm64"},
		"in two manners": {"", []string{"b-1-cp312-cp312-linux_aarch64.whl", "c-1-cp312-cp312-linux_x86_64.whl"}, "an image is for one platform"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names, err := parseNames(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			p, err := requestedPlatform(Env{Host: host}, tt.asked, names)
			got := p.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBuildQuestion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "pyproject.toml", "[build-system]\nrequires = [\"setuptools>=77\", \"torch==2.11.0\"]\n")
	write(t, dir, "old/setup.py", "")
	w := recipe.Wheel{Name: "x", Requires: []string{"numpy"}, Shims: []recipe.Shim{{Name: "torch"}}}
	got, err := buildQuestion(w, &Tree{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := question{name: "x", requirements: []string{"setuptools>=77", "torch==2.11.0", "numpy"}, excludes: []string{"torch"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(question{})); diff != "" {
		t.Errorf("question (-want +got):\n%s", diff)
	}
	got, err = buildQuestion(recipe.Wheel{Name: "y", Subdirectory: "old"}, &Tree{Dir: dir})
	if err != nil || cmp.Diff([]string{"setuptools>=40.8.0"}, got.requirements) != "" {
		t.Errorf("a project without pyproject.toml needs %q (%v)", got.requirements, err)
	}
}

// A tag's version is the tag, however far the commit is from it; scm counts.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	c := git.Commit{Time: time.Date(2026, 6, 3, 9, 56, 43, 0, time.UTC)}
	d := git.Description{Tag: "v0.22.1rc0", Distance: 124, Hash: "ace95c9cf8307301fbcdffacc4ab44e4d5e6829a"}
	for _, tt := range []struct {
		src   recipe.Source
		dirty bool
		want  string
	}{
		{recipe.Source{Version: "scm", Date: "2026-06-03"}, true, "0.22.1rc1.dev124+gace95c9cf.d20260603"},
		{recipe.Source{Version: "scm"}, false, "0.22.1rc1.dev124+gace95c9cf"},
		{recipe.Source{Version: "tag"}, true, "0.22.1rc0"},
	} {
		got, err := versionOf(tt.src, d, c, tt.dirty)
		if err != nil || got != tt.want {
			t.Errorf("%+v, dirty %v: %q (%v), want %q", tt.src, tt.dirty, got, err, tt.want)
		}
	}
}

func TestComputeVersionRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"0.0.0", "0.0+unknown", "unknown", "0"} {
		if got, err := computeVersion(t.Context(), Env{}, recipe.Source{Name: "a", Version: v}, git.Commit{}, false, nil); err == nil {
			t.Errorf("version %q came out as %q", v, got)
		}
	}
}

func TestTagsOfAnUnknownLibrary(t *testing.T) {
	t.Parallel()
	glibc := Python{Version: "3.12", Machine: "aarch64", GLIBC: "2.39"}.Tags()
	musl := Python{Version: "3.12", Machine: "aarch64"}.Tags()
	compiled := wheel.Tag{Python: "cp312", ABI: "cp312", Platform: "manylinux_2_28_aarch64"}
	has := func(all []wheel.Tag) bool {
		for _, tag := range all {
			if tag == compiled {
				return true
			}
		}
		return false
	}
	if !has(glibc) || has(musl) {
		t.Errorf("%v fits glibc 2.39: %v, an unknown C library: %v", compiled, has(glibc), has(musl))
	}
}

// What a key covers is what a wheel depends on, and nothing of this host.
func TestWheelKey(t *testing.T) {
	t.Parallel()
	plan := func() buildPlan {
		return buildPlan{
			recipe: recipe.Wheel{Name: "a", Environment: map[string]string{"V": "{version}"}},
			source: recipe.Source{Files: map[string]string{"f": "{commit}"}},
			locked: recipe.LockedSource{Version: "1", Commit: strings.Repeat("c", 40)},
			tree:   &Tree{Dir: "/one", Key: "k"}, base: &Base{Digest: "sha256:b", Root: "/one"}, uv: Tool{Path: "/one", SHA256: "u"},
		}
	}
	first := plan().key()
	same := plan()
	same.tree.Dir, same.base.Root, same.uv.Path = "/two", "/two", "/two"
	if same.key().String() != first.String() {
		t.Error("where the inputs lie changed the key")
	}
	for name, change := range map[string]func(*buildPlan){
		"version": func(b *buildPlan) { b.locked.Version = "2" },
		"commit":  func(b *buildPlan) { b.locked.Commit = strings.Repeat("d", 40) },
		"time":    func(b *buildPlan) { b.locked.Time = time.Unix(1, 0) },
		"tree":    func(b *buildPlan) { b.tree.Key = "l" },
		"base":    func(b *buildPlan) { b.base.BuildDigest = "sha256:c" },
		"uv":      func(b *buildPlan) { b.uv.SHA256 = "v" },
		"input":   func(b *buildPlan) { b.inputs = []input{{name: "f", digest: "1"}} },
		"sandbox": func(b *buildPlan) { b.isolation = "none" },
		"host":    func(b *buildPlan) { b.host = &HostRoot{} },
		"package": func(b *buildPlan) { b.host = &HostRoot{Packages: "1"} },
		"root":    func(b *buildPlan) { b.recipe.Root = "host" },
		"cpus":    func(b *buildPlan) { b.recipe.CPUs = 4 },
		"recipe":  func(b *buildPlan) { b.recipe.Config = map[string]string{"x": "y"} },
	} {
		b := plan()
		change(&b)
		if b.key().String() == first.String() {
			t.Errorf("another %s left the key as it was", name)
		}
	}
}
