package index_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func spark(t testing.TB) ([]wheel.Tag, marker.Environment) {
	t.Helper()
	return wheel.Supported("3.12", wheel.Platforms(39, "aarch64")), marker.Linux("3.12", "aarch64")
}

// entry is a pylock package with one wheel for each file name.
func entry(head string, files ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[packages]]\n%s\nwheels = [\n", head)
	for _, f := range files {
		fmt.Fprintf(&b, "  { url = %q, size = 5, hashes = { sha256 = %q } },\n", "https://files.test/a/"+f, sumA)
	}
	return b.String() + "]\n"
}

const head = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n"

func TestParsePylock(t *testing.T) {
	t.Parallel()
	p, err := index.ParsePylock("pylock.x.toml", []byte(head+`requires-python = ">=3.12"
environments = ["sys_platform == 'linux'"]
[[packages]]
name = "Tiny_Thing"
version = "1.0"
marker = "sys_platform == 'linux'"
sdist = { url = "https://files.test/tiny_thing-1.0.tar.gz", hashes = { sha256 = "`+sumB+`" } }
wheels = [{ name = "tiny_thing-1.0-py3-none-any.whl", url = "https://files.test/get?f=1#x", upload-time = 2026-03-04T05:06:07Z, size = 7, hashes = { sha256 = "`+strings.ToUpper(sumA)+`", md5 = "x" } }]
[[packages]]
name = "from-git"
vcs = { type = "git", url = "https://git.test/x.git", commit-id = "abc" }
[packages.tool.uv]
unknown = [1, 2]
[tool.x]
y = 1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &index.Pylock{
		File: "pylock.x.toml", RequiresPython: ">=3.12", Environments: []string{"sys_platform == 'linux'"},
		Packages: []index.Package{
			{
				Name: "tiny-thing", Version: "1.0", Marker: "sys_platform == 'linux'",
				Sdist: &index.File{Name: "tiny_thing-1.0.tar.gz", URL: "https://files.test/tiny_thing-1.0.tar.gz", SHA256: sumB},
				Wheels: []index.File{{
					Name: "tiny_thing-1.0-py3-none-any.whl", URL: "https://files.test/get?f=1", SHA256: sumA, Size: 7,
					Uploaded: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
				}},
			},
			{Name: "from-git", Source: "vcs"},
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("pylock (-want +got):\n%s", diff)
	}
}

func TestParsePylockRefuses(t *testing.T) {
	t.Parallel()
	file := func(fields string) string {
		return head + "[[packages]]\nname = \"a\"\nwheels = [{ " + fields + " }]\n"
	}
	sum := `hashes = { sha256 = "` + sumA + `" }`
	for name, tt := range map[string]struct{ src, want string }{
		"empty":            {"", `lock-version is ""; only 1.x is supported`},
		"later":            {`lock-version = "2.0"`, `lock-version is "2.0"`},
		"no TOML":          {head + "[[packages]\n", "pylock.toml:3:"},
		"another shape":    {head + "packages = 3\n", "pylock.toml"},
		"no name":          {head + "[[packages]]\nversion = \"1\"\n", `package 1 (""): it has no name`},
		"no url":           {file(`path = "wheels/a.whl", ` + sum), `path is "wheels/a.whl"`},
		"file url":         {file(`url = "file:///a-1-py3-none-any.whl", ` + sum), "neither http"},
		"credentials":      {file(`url = "https://me:secret@a.test/a-1-py3-none-any.whl", ` + sum), "has credentials"},
		"short sha256":     {file(`url = "https://a.test/a.whl", hashes = { sha256 = "abc" }`), "the sha256 of a.whl is not one"},
		"leads out":        {file(`name = "../a.whl", url = "https://a.test/a.whl", ` + sum), `"../a.whl" is not a file name`},
		"leads out, url":   {file(`url = "https://a.test/..%2Fa%00.whl", ` + sum), "is not a file name"},
		"negative":         {file(`url = "https://a.test/a.whl", size = -1, ` + sum), "size of a.whl is -1"},
		"two sources":      {head + "[[packages]]\nname = \"a\"\nvcs = {}\ndirectory = {}\n", "more than one kind"},
		"wheels of a kind": {head + "[[packages]]\nname = \"a\"\nwheels = \"a\"\n", "pylock.toml:5:"},
		"deep":             {head + "x = " + strings.Repeat("[", 5000), "line 3: brackets"},
		"too long":         {strings.Repeat("#", 33<<20), "larger than 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := index.ParsePylock("pylock.toml", []byte(tt.src))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q lacks %q", err, tt.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		packages []string
		want     []string // file names, sorted by distribution
	}{
		"own code before pure": {[]string{entry(`name = "a"`,
			"a-1-py3-none-any.whl", "a-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", "a-1-cp312-cp312-manylinux_2_17_x86_64.whl")},
			[]string{"a-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"}},
		"newer glibc first": {[]string{entry(`name = "a"`,
			"a-1-cp312-cp312-manylinux_2_28_aarch64.whl", "a-1-cp312-cp312-manylinux_2_39_aarch64.whl", "a-1-cp312-cp312-manylinux_2_40_aarch64.whl")},
			[]string{"a-1-cp312-cp312-manylinux_2_39_aarch64.whl"}},
		"newest abi3": {[]string{entry(`name = "a"`,
			"a-1-cp38-abi3-manylinux_2_34_aarch64.whl", "a-1-cp311-abi3-manylinux_2_17_aarch64.whl", "a-1-cp313-abi3-manylinux_2_17_aarch64.whl", "a-1-cp312-cp312t-manylinux_2_17_aarch64.whl")},
			[]string{"a-1-cp311-abi3-manylinux_2_17_aarch64.whl"}},
		"higher build": {[]string{entry(`name = "a"`,
			"a-1-2-cp38-abi3-manylinux_2_28_aarch64.whl", "a-1-10-cp38-abi3-manylinux_2_28_aarch64.whl", "a-1-9z-cp38-abi3-manylinux_2_28_aarch64.whl", "a-1-cp38-abi3-manylinux_2_28_aarch64.whl")},
			[]string{"a-1-10-cp38-abi3-manylinux_2_28_aarch64.whl"}},
		"markers": {[]string{
			entry("name = \"b\"\nmarker = \"platform_machine == 'x86_64'\"", "b-1-py3-none-any.whl"),
			entry("name = \"c\"\nversion = \"2\"\nmarker = \"python_full_version < '3.13'\"", "c-2-py3-none-any.whl"),
			entry("name = \"c\"\nversion = \"3\"\nmarker = \"python_full_version >= '3.13'\"", "c-3-py3-none-any.whl"),
			entry(`name = "a"`, "a-1-py3-none-any.whl")},
			[]string{"a-1-py3-none-any.whl", "c-2-py3-none-any.whl"}},
		"nothing": {nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := index.ParsePylock("pylock.toml", []byte(head+strings.Join(tt.packages, "")))
			if err != nil {
				t.Fatal(err)
			}
			pins, err := p.Select(spark(t))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, pin := range pins {
				got = append(got, pin.File)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelectTellsAllAtOnce(t *testing.T) {
	t.Parallel()
	p, err := index.ParsePylock("pylock.toml", []byte(head+
		"environments = [\"sys_platform == 'win32'\"]\nrequires-python = \">=3.13\"\n"+
		entry("name = \"a\"\nversion = \"1\"", "a-1-cp312-cp312-win_amd64.whl", "a-1-cp312-cp312-manylinux_2_17_x86_64.whl")+
		entry(`name = "b"`, "b-1-py3-none-any.whl")+entry(`name = "B"`, "b-2-py3-none-any.whl")+
		entry("name = \"c\"\nmarker = \"what ?\"", "c-1-py3-none-any.whl")+
		entry("name = \"d\"\nrequires-python = \"<3.12\"", "d-1-py3-none-any.whl")+
		entry(`name = "f"`)+
		"[[packages]]\nname = \"e\"\ndirectory = { path = \".\" }\n"+
		"[[packages]]\nname = \"g\"\nsdist = { url = \"https://files.test/g-1.tar.gz\", hashes = { sha256 = \""+sumA+"\" } }\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Select(spark(t))
	e, ok := errors.AsType[*index.SelectError](err)
	if !ok {
		t.Fatalf("error is %v", err)
	}
	var got []string
	for _, f := range e.Faults {
		reason, _, _ := strings.Cut(f.Reason, ":")
		got = append(got, strings.TrimSpace(f.Name+" "+f.Version+" "+reason+" "+strings.Join(f.Have, ",")))
	}
	want := []string{
		"needs Python >=3.13, but the target has 3.12.0",
		"the lock is for other environments sys_platform == 'win32'",
		"a 1 has no wheel for this target; available a-1-cp312-cp312-manylinux_2_17_x86_64.whl,a-1-cp312-cp312-win_amd64.whl",
		"b  occurs twice for this target",
		"c  has a marker that cannot be read",
		"d  needs Python <3.12, but the target has 3.12.0",
		"f  has no wheel",
		"e  comes from a directory entry, which has no wheel",
		"g  has no wheel; available g-1.tar.gz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	for _, part := range []string{"pylock.toml for cp312-cp312-manylinux_2_39_aarch64", "\n    a-1-cp312-cp312-win_amd64.whl"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}
