package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchKeys(t *testing.T) {
	t.Parallel()
	text := minimal + `
[[source]]
name = "p"
url = "https://example.com/p.git"
ref = "v1"
version = "1.0"
patches = ["a.patch", "quilt", "sparkwheel:vllm-sm121.patch"]
[[source.patch]]
file = "b.patch"
versions = ">=1, <2"
[[source.patch]]
url = "https://example.com/c.patch"
sha256 = "` + strings.Repeat("a", 64) + `"
[[wheel]]
name = "q"
source = "p"
distribution = "q"
[wheel.fetchcontent.repository.Kernels]
patch = [{ file = "k.patch", versions = "==1.*" }]
`
	r, err := Parse("r", "dir/r.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := r.Source("p")
	var got []string
	for _, p := range s.Patches {
		got = append(got, strings.Join([]string{p.Dir, p.File, p.URL, p.Versions.String()}, "|"))
	}
	if diff := cmp.Diff([]string{"dir|a.patch||", "dir|quilt||", "|patches/vllm-sm121.patch||", "dir|b.patch||" + s.Patches[3].Versions.String(), "dir||https://example.com/c.patch|"}, got); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
	content := r.Wheels[len(r.Wheels)-1].FetchContent.Repositories["kernels"].Patches
	if len(content) != 1 || content[0].File != "k.patch" || content[0].Dir != "dir" || len(content[0].Versions) != 1 {
		t.Errorf("patches of content: %+v", content)
	}
}

func TestBadPatchKeys(t *testing.T) {
	t.Parallel()
	head := minimal + "\n[[source]]\nname = \"p\"\nurl = \"https://example.com/p.git\"\nref = \"v1\"\nversion = \"1.0\"\n"
	for text, want := range map[string]string{
		"patches = [\"/etc/passwd\"]\n":                                          "is not below the recipe's directory",
		"patches = [\"sparkwheel:../../../x\"]\n":                                "is not below the recipe's directory",
		"[[source.patch]]\nversions = \">=1\"\n":                                 "one of file and url is needed",
		"[[source.patch]]\nfile = \"a\"\nurl = \"https://example.com/a\"\n":      "one of file and url is needed",
		"[[source.patch]]\nfile = \"a\"\nversions = \"1 or 2\"\n":                "patch a: versions: ",
		"[[source.patch]]\nfile = \"a\"\nsha256 = \"b\"\n":                       "sha256 goes with url",
		"[[source.patch]]\nurl = \"https://example.com/a\"\n":                    "is not 64 lower-case hex digits",
		"[[source.patch]]\nurl = \"ftp://example.com/a\"\n":                      "is neither http:// nor https://",
		"[[source.patch]]\nfile = \"a\"\nranges = \"<1\"\n":                      "unknown key source.patch.ranges",
		"[[source.patch]]\nurl = \"https://u:p@example.com/a\"\nsha256 = \"\"\n": "has credentials",
	} {
		if _, err := Parse("r", "r.toml", []byte(head+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %q", text, err, want)
		}
	}
}

// A series that leads out of its directory, or asks for what is not done, is
// refused with its line.
func TestSeries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a.patch\n\n# b.patch\nd/c.patch -p1 # why\n": "a.patch d/c.patch",
		"../a.patch\n":         `series:1: "../a.patch" is not a file below`,
		"a.patch\n/etc/shadow": `series:2: "/etc/shadow" is not`,
		"a.patch -p0\n":        `series:1: the option "-p0" is not supported`,
		"a.patch -R\n":         `the option "-R"`,
		"series\n":             `"series" is not`,
		"# nothing\n":          "series names no patch",
	} {
		names, err := readSeries("series", []byte(text))
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q gave %q, want %q", text, got, want)
		}
	}
}

func FuzzSeries(f *testing.F) {
	for _, seed := range []string{"a.patch -p1\n", "../x", "a\x00b", "#", strings.Repeat("a/", 500)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := readSeries("series", []byte(text))
		for _, name := range names {
			if err == nil && !filepath.IsLocal(name) {
				t.Errorf("%q leads out of the directory", name)
			}
		}
	})
}

// Patches come from beside the recipe, or from inside the program.
func TestPatchFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "q"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"q/series": "one\n", "q/one": "diff", "p": "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Patch{File: "q", Dir: dir}.Files()
	if diff := cmp.Diff([]string{"q/series", "q/one"}, files); err != nil || diff != "" {
		t.Errorf("files (%v, -want +got):\n%s", err, diff)
	}
	texts, err := Patch{File: "q", Dir: dir}.Read()
	if err != nil || len(texts) != 1 || string(texts[0].Text) != "diff" || texts[0].Name != "q/one" {
		t.Errorf("read %+v, %v", texts, err)
	}
	inside, err := Patch{File: "patches/vllm-sm121.patch"}.Read()
	if err != nil || len(inside) != 1 || !strings.Contains(string(inside[0].Text), "CUDA_SUPPORTED_ARCHS") {
		t.Errorf("read %+v, %v", inside, err)
	}
}
