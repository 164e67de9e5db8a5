package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeTree writes files of a txtar-like map below a new directory.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const parentText = minimal + `
environment = { KEPT = "1", CHANGED = "old" }
requires = ["torch>=2.10", "numpy"]
distribution = "a"
inputs = { data = "/data" }
repair = true
[wheel.fetchcontent]
leave-out = ["x"]
[wheel.fetchcontent.repository.Kernels]
url = "https://example.com/kernels.git"
ref = "v1"
patches = ["kernels.patch"]
[wheel.gpu]
require = "family"
[[wheel]]
name = "b"
source = "b"
inputs = { trees = "/trees" }
[[source]]
name = "b"
url = "../b"
version = "tag"
patches = ["b.patch"]
[[file]]
name = "data"
url = "https://example.com/data"
[[manifest]]
name = "trees"
url = "https://example.com/trees/"
directories = { "a/" = "0000000000000000000000000000000000000000000000000000000000000000" }
[packages]
image = ["vim", "libstdc++6"]
[runtime]
requires = ["ray[default]"]
[gpu]
require = "ptx"
driver = "13.0"
[image]
workdir = "/a"
environment = { A = "1" }
`

// What a child says lies over its parent's, key by key.
func TestExtends(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		"base/parent.toml": strings.Replace(parentText, `platform = "host"`, `platform = "linux/arm64"`, 1),
		"child.toml": `
extends = "base/parent.toml"
[target]
gpu-arch = "12.1"
[base]
image = "other"
[[source]]
name = "a"
ref = "next"
patches = ["mine.patch"]
[source.submodule."3rdparty/x"]
url = "https://example.com/x.git"
ref = "fix"
[[wheel]]
name = "a"
environment = { CHANGED = "new", ADDED = "1" }
requires = ["torch==2.11.0"]
repair = false
[wheel.fetchcontent.repository.kernels]
ref = "v2"
[wheel.gpu]
except = { "*.so" = "never called" }
[[wheel]]
name = "c"
source = "a"
[packages]
image = ["libstdc++6=14", "curl"]
[image]
environment = { B = "2" }
`,
	})
	r, err := Load(filepath.Join(dir, "child.toml"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := r.Source("a")
	b, _ := r.Source("b")
	kernels := r.Wheels[0].FetchContent.Repositories["kernels"]
	got := []string{
		r.Name, r.Target.Platform, r.Target.Python, r.Target.GPUArch, r.Base.String(), r.UV,
		a.Git.URL, a.Git.Ref, fmt.Sprint(a.Submodule), a.Version,
		fmt.Sprint(r.Wheels[0].Environment, r.Wheels[0].Requires, r.Wheels[0].Repair, r.Wheels[0].FetchContent.LeaveOut),
		kernels.URL, kernels.Ref, fmt.Sprint(r.Wheels[0].GPU.Require, len(r.Wheels[0].GPU.Except), r.GPU.Driver),
		fmt.Sprint(len(r.Wheels), r.Wheels[2].Name, r.Packages.Image, r.Image.WorkDir, r.Image.Environment),
		filepath.ToSlash(b.Git.URL),
	}
	want := []string{
		"child", "linux/arm64", "base", "12.1", "other", "0.13.9",
		"https://example.com/a.git", "next", "map[3rdparty/x:{https://example.com/x.git fix}]", "tag",
		"map[ADDED:1 CHANGED:new KEPT:1] [torch==2.11.0 numpy] false [x]",
		"https://example.com/kernels.git", "v2", "family 1 13.0",
		"3c[vim libstdc++6=14 curl]/amap[A:1 B:2]",
		"./b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the recipe (-want +got):\n%s", diff)
	}
	var patches []string
	for _, p := range r.Patches() {
		rel, _ := filepath.Rel(dir, filepath.Join(p.Dir, p.File))
		patches = append(patches, rel)
	}
	if diff := cmp.Diff([]string{"mine.patch", "base/b.patch", "base/kernels.patch"}, patches); diff != "" {
		t.Errorf("patches lie beside the recipe that names them (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "base/parent.toml")}, r.Parents); diff != "" {
		t.Errorf("Parents (-want +got):\n%s", diff)
	}
}

// The digest of a recipe changes with what every text of its chain says.
func TestExtendsDigest(t *testing.T) {
	t.Parallel()
	digestWith := func(parent, child string) string {
		dir := writeTree(t, map[string]string{"p.toml": minimal + parent, "c.toml": "extends = \"p.toml\"\n" + child})
		r, err := Load(filepath.Join(dir, "c.toml"))
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest
	}
	one := digestWith("", "")
	if one != digestWith("", "") {
		t.Error("the same texts have two digests")
	}
	const edit = "[image]\nworkdir = \"/w\"\n"
	if one == digestWith(edit, "") || one == digestWith("", edit) || digestWith(edit, "") == digestWith("", edit) {
		t.Error("an edit leaves the digest as it is")
	}
	if one != digestWith("# a comment\n", "") || one != digestWith("", "\n # a comment\n") {
		t.Error("a comment changes the digest")
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		"parent.toml": parentText,
		"child.toml":  "extends = \"parent.toml\"\nwithout = [\"b\", \"kernels.patch\"]\n[target]\ngpu-arch = \"12.1\"\n",
	})
	r, err := Load(filepath.Join(dir, "child.toml"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(len(r.Wheels), r.sourceNames(), r.inputNames(), len(r.Patches()))
	if want := "1 [a] [data] 0"; got != want {
		t.Errorf("without b there are %s, want %s: what b alone used goes with it", got, want)
	}
}

func TestExtendsSpark(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"mine.toml": `
extends = "spark"
without = ["flashinfer-cubin", "sparkwheel:vllm-without-fa3.patch"]
[[source]]
name = "vllm"
ref = "v0.22.1"
patches = ["mine.patch"]
`})
	r, err := Load(filepath.Join(dir, "mine.toml"))
	if err != nil {
		t.Fatal(err)
	}
	vllm, _ := r.Source("vllm")
	var patches []string
	for _, p := range vllm.Patches {
		patches = append(patches, strings.TrimPrefix(filepath.Join(p.Dir, p.File), dir+"/"))
	}
	want := []string{"patches/vllm-sm121.patch", "patches/vllm-sass-for-sm12x.patch", "mine.patch"}
	if diff := cmp.Diff(want, patches); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
	if vllm.Git.Ref != "v0.22.1" || len(r.Manifests) != 0 || len(r.Parents) != 0 {
		t.Errorf("vllm is at %s; %d manifests, parents %q", vllm.Git.Ref, len(r.Manifests), r.Parents)
	}
}

func TestExtendsFaults(t *testing.T) {
	t.Parallel()
	deep := map[string]string{"r0.toml": minimal}
	for i := 1; i < 12; i++ {
		deep[fmt.Sprintf("r%d.toml", i)] = fmt.Sprintf("extends = \"r%d.toml\"\n", i-1)
	}
	tests := map[string]struct {
		files map[string]string
		load  string
		want  string
	}{
		"a circle": {
			map[string]string{"a.toml": "extends = \"b.toml\"\n", "b.toml": "extends = \"./a.toml\"\n"}, "a.toml",
			`b.toml: extends "./a.toml": the recipes extend each other in a loop`,
		},
		"itself":       {map[string]string{"a.toml": "extends = \"a.toml\"\n"}, "a.toml", "in a loop"},
		"no such":      {map[string]string{"a.toml": "extends = \"b.toml\"\n"}, "a.toml", `a.toml: extends "b.toml": recipe b.toml does not exist`},
		"absolute":     {map[string]string{"a.toml": "extends = \"/b.toml\"\n"}, "a.toml", "the path is absolute"},
		"too deep":     {deep, "r11.toml", "more than 8 recipes are behind"},
		"in the other": {map[string]string{"a.toml": "extends = \"b.toml\"\n", "b.toml": minimal + "\nsubdirectry = \"x\"\n"}, "a.toml", "b.toml:18:1: unknown key wheel.subdirectry (nearest known key: subdirectory)"},
		"its own":      {map[string]string{"a.toml": "extends = \"b.toml\"\n[target]\nplatfrm = \"host\"\n", "b.toml": minimal}, "a.toml", "a.toml:3:1: unknown key target.platfrm"},
		"without it":   {map[string]string{"a.toml": "extends = \"b.toml\"\nwithout = [\"x\"]\n", "b.toml": minimal}, "a.toml", `without: the extended recipe has no "x"; it has a`},
		"without more": {map[string]string{"a.toml": "without = [\"a\"]\n" + minimal}, "a.toml", "it extends none"},
		"a child's":    {map[string]string{"a.toml": "extends = \"b.toml\"\n[[wheel]]\nname = \"c\"\nsource = \"d\"\n", "b.toml": minimal}, "a.toml", `a.toml: wheel "c": no [[source]] is named "d"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, tt.files)
			_, err := Load(filepath.Join(dir, tt.load))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	r, err := Parse("r", "r.toml", []byte(minimal+`
[[wheel]]
name = "b"
source = "a"
missing = "a compiler for it"
[[build]]
name = "tools"
source = "a"
steps = [["make"]]
tree = "out"
missing = "its licence"
[[wheel]]
name = "c"
source = "a"
inputs = { tools = "/tools" }
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{"all": r.Lacking(nil), "a": r.Lacking([]string{"a"}), "c": r.Lacking([]string{"c"}), "free": r.Free()}
	want := map[string][]string{
		"all": {"tools: its licence", "b: a compiler for it"}, "a": nil, "c": {"tools: its licence"}, "free": {"a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Lacking (-want +got):\n%s", diff)
	}
}

// Two recipes in one directory keep their locks apart; a lock with the old names
// is read as it is.
func TestLocksSideBySide(t *testing.T) {
	t.Parallel()
	r, err := Parse("r", "", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"one": "# 1\n", "two": "# 2\n", "sparkwheel": "# 3\n"} {
		l := testLock(r)
		l.Wheels[0].LockedSet = NewSet("a", []byte(text))
		if err := l.Save(filepath.Join(dir, name+".lock")); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, name := range []string{"one", "two", "sparkwheel"} {
		l, err := LoadLock(filepath.Join(dir, name+".lock"), r)
		if err != nil {
			t.Fatal(err)
		}
		got[l.Wheels[0].Pylock] = string(l.Wheels[0].Text)
	}
	want := map[string]string{"pylock.one_a.toml": "# 1\n", "pylock.two_a.toml": "# 2\n", "pylock.a.toml": "# 3\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pylocks (-want +got):\n%s", diff)
	}
	if err := os.Rename(filepath.Join(dir, "sparkwheel.lock"), filepath.Join(dir, "old.lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLock(filepath.Join(dir, "old.lock"), r); err != nil {
		t.Errorf("a lock beside pylocks of the old names: %v", err)
	}
}
