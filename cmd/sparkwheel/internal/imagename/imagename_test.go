package imagename

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Name{
		"ubuntu":                           {Transport: Registry, Reference: "ubuntu"},
		"docker.io/library/python:3.12":    {Transport: Registry, Reference: "docker.io/library/python:3.12"},
		"localhost:5000/a@" + digest:       {Transport: Registry, Reference: "localhost:5000/a@" + digest},
		"oci-archive/x":                    {Transport: Registry, Reference: "oci-archive/x"},
		"host/x":                           {Transport: Registry, Reference: "host/x"},
		"oci:out/image":                    {Transport: OCI, Path: "out/image"},
		"oci:out/image:v1":                 {Transport: OCI, Path: "out/image", Tag: "v1"},
		"oci:a:b/image":                    {Transport: OCI, Path: "a:b/image"},
		"oci:/x@y/image:v1":                {Transport: OCI, Path: "/x@y/image", Tag: "v1"},
		"oci:out/image@" + digest:          {Transport: OCI, Path: "out/image", Tag: digest},
		"oci-archive:b.tar":                {Transport: OCIArchive, Path: "b.tar"},
		"oci-archive:/d/b.tar:1.0_x":       {Transport: OCIArchive, Path: "/d/b.tar", Tag: "1.0_x"},
		"docker-archive:b.tar":             {Transport: DockerArchive, Path: "b.tar"},
		"docker-archive:a:b.tar":           {Transport: DockerArchive, Path: "a:b.tar"},
		"tar:/srv/root.tar.zst":            {Transport: Tar, Path: "/srv/root.tar.zst"},
		"docker-daemon:vllm:latest":        {Transport: DockerDaemon, Reference: "vllm:latest"},
		"docker-daemon:" + digest:          {Transport: DockerDaemon, Reference: digest},
		"containers-storage:localhost/a:b": {Transport: ContainersStorage, Reference: "localhost/a:b"},
		"containerd:docker.io/library/a:b": {Transport: Containerd, Reference: "docker.io/library/a:b"},
		"scratch":                          {Transport: Scratch},
		"host":                             {Transport: Host},
		"tar:-":                            {Transport: Tar, Path: "-"},
	} {
		got, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Transformer("fields", fields)); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", text, diff)
		}
		if got.String() != text {
			t.Errorf("Parse(%q) is written %q", text, got)
		}
	}
}

// fields hides Equal from cmp: a test is about each of them.
func fields(n Name) [4]string {
	return [4]string{string(n.Transport), n.Path, n.Tag, n.Reference}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "it is empty",
		"oci:":                          "a path is missing after oci:",
		"oci::v1":                       "a path is missing",
		"oci:dir:":                      `"" is not a tag`,
		"oci:dir:a b":                   `"a b" is not a tag`,
		"oci:dir@sha256:12":             "not a digest",
		"tar:":                          "a path is missing after tar:",
		"docker-archive:":               "a path is missing after docker-archive:",
		"docker-daemon:":                "a reference is missing",
		"containerd:UPPER":              "give a registry reference",
		"containers-storage:a@sha256:1": "give a registry reference",
		"./root.tar":                    "a path needs a prefix",
		"/srv/image":                    "a path needs a prefix",
		"../image":                      "a path needs a prefix",
		"docker://ubuntu:24.04":         "leave out docker://",
		"containers-storage:docker://a": "leave out docker://",
		"Ubuntu":                        "give a registry reference",
		"-x":                            "begins with a dash",
		"docker-daemon:-x":              "begins with a dash",
		"tar:a\nb":                      "control character",
		"oci:a\x1b[2J":                  "control character",
	} {
		n, err := Parse(text)
		if _, ok := errors.AsType[*SyntaxError](err); !ok || !strings.Contains(err.Error(), want) || !n.IsZero() {
			t.Errorf("Parse(%q) = %v, %v; want an error with %q", text, n, err, want)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	abs, err := filepath.Abs("b.tar")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"tar:b.tar", "tar:" + abs, true},
		{"tar:./b.tar", "tar:b.tar", true},
		{"oci:b.tar", "oci:" + abs, true},
		{"oci-archive:b.tar", "oci-archive:" + abs, true},
		{"oci-archive:b.tar:v1", "oci-archive:" + abs + ":v1", true},
		{"docker-archive:b.tar", "docker-archive:" + abs, true},
		{"oci:b.tar:v1", "oci:b.tar:v2", false},
		{"oci:b.tar", "oci-archive:b.tar", false},
		{"tar:b.tar", "tar:c.tar", false},
		{"b", "b", true},
		{"b", "c", false},
		{"b", "docker-daemon:b", false},
		{"containerd:b", "docker-daemon:b", false},
		{"scratch", "scratch", true},
		{"scratch", "host", false},
	} {
		a, errA := Parse(test.a)
		b, errB := Parse(test.b)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if a.Equal(b) != test.want || b.Equal(a) != test.want {
			t.Errorf("%s equal to %s: %v", test.a, test.b, !test.want)
		}
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]bool{ // remote, in a runtime, has a reference
		"a": {true, false, true}, "docker-daemon:a": {false, true, true}, "containers-storage:a": {false, true, true},
		"containerd:a": {false, true, true}, "oci:a": {}, "tar:a": {}, "scratch": {}, "host": {},
	} {
		n, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.Parsed()
		if got := [3]bool{n.Remote(), n.InRuntime(), err == nil}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var n Name
	if err := n.UnmarshalText([]byte("oci:dir:v1")); err != nil {
		t.Fatal(err)
	}
	if err := n.UnmarshalText([]byte("oci:")); err == nil || n.Path != "dir" {
		t.Errorf("an error (%v) left %v", err, n)
	}
	if text, err := n.MarshalText(); err != nil || string(text) != "oci:dir:v1" {
		t.Errorf("MarshalText: %q, %v", text, err)
	}
	if err := n.UnmarshalText(nil); err != nil || !n.IsZero() || n.String() != "" {
		t.Errorf("an empty text: %v, %v", n, err)
	}
}

// FuzzParse: what is read is written as it was, means the same again, and is of
// a transport that is known.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"ubuntu:24.04", "oci:a:b", "oci:a@" + digest, "oci:a@b:c", "oci-archive::x", "oci:@" + digest, "tar:a\x00b",
		"docker-daemon:" + digest, "containerd:a/b@" + digest, "scratch", "scratch:", "host:1/a", "oci:a:" + digest, "docker-archive:a@sha256:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			if !n.IsZero() {
				t.Errorf("%q: %v and an error", text, n)
			}
			return
		}
		if n.String() != text {
			t.Errorf("%q is written %q", text, n)
		}
		again, err := Parse(n.String())
		if err != nil || again != n || !again.Equal(n) {
			t.Errorf("%q is %#v, then %#v: %v", text, n, again, err)
		}
		if _, err := n.Parsed(); (err == nil) != (n.Remote() || n.InRuntime()) {
			t.Errorf("%q: its reference: %v", text, err)
		}
	})
}
