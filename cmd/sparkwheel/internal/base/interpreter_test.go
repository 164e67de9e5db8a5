package base

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/listing"
)

// listedBase is a base whose files are those named: "a -> b" is a link, "a = x"
// a file that holds x.
func listedBase(t *testing.T, names ...string) *Base {
	t.Helper()
	var buf, list bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range names {
		h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755}
		name, link, isLink := strings.Cut(name, " -> ")
		name, text, _ := strings.Cut(name, " = ")
		if h.Name, h.Size = name, int64(len(text)); isLink {
			h.Typeflag, h.Linkname = tar.TypeSymlink, link
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := listing.Write(t.Context(), &list, &buf, keep); err != nil {
		t.Fatal(err)
	}
	b := &Base{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, Files: listing.New()}
	if err := b.Files.Apply(&list); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestListedPython(t *testing.T) {
	t.Parallel()
	own := []string{"usr/local/bin/python3.11", "usr/local/bin/python3 -> python3.11", "usr/local/lib/python3.11/os.py"}
	debian := []string{"usr/bin/python3.12", "usr/bin/python3 -> python3.12", "usr/lib/python3/dist-packages/x", "bin -> usr/bin", "lib -> usr/lib",
		"usr/lib/aarch64-linux-gnu/libc.so.6 = GNU C Library (Ubuntu GLIBC 2.39-0ubuntu8) stable release version 2.39.\n"}
	for _, test := range []struct {
		name  string
		files []string
		env   []string
		asked string
		want  string // path, version, whole version, purelib, glibc
		told  string
		err   error
	}{
		{name: "CPython's own", files: own, env: []string{"PYTHON_VERSION=3.11.9"}, want: "/usr/local/bin/python3 3.11 3.11.9 usr/local/lib/python3.11/site-packages any"},
		{name: "PYTHON_VERSION of another", files: own, env: []string{"PYTHON_VERSION=3.12.1"},
			want: "/usr/local/bin/python3 3.11 3.11 usr/local/lib/python3.11/site-packages any", told: "PYTHON_VERSION=3.12.1, but its /usr/local/bin/python3 is Python 3.11"},
		{name: "headers tell more", files: append(own, "usr/local/include/python3.11/patchlevel.h = #define PY_VERSION      \t\"3.11.7\"\n"), env: []string{"PYTHON_VERSION=3.11"},
			want: "/usr/local/bin/python3 3.11 3.11.7 usr/local/lib/python3.11/site-packages any"},
		{name: "Debian", files: debian, want: "/usr/bin/python3 3.12 3.12 usr/local/lib/python3.12/dist-packages 2.39"},
		{name: "Debian, PYTHON_VERSION of nothing that runs", files: debian, env: []string{"PYTHON_VERSION=3.13.0"}, want: "/usr/bin/python3 3.12 3.12 usr/local/lib/python3.12/dist-packages 2.39", told: "PYTHON_VERSION=3.13.0"},
		{name: "both, by PATH", files: append(debian, own...), want: "/usr/local/bin/python3 3.11 3.11 usr/local/lib/python3.11/site-packages 2.39"},
		{name: "both, PATH the other way round", files: append(debian, own...), env: []string{"PATH=/usr/bin:/usr/local/bin"}, want: "/usr/bin/python3 3.12 3.12 usr/local/lib/python3.12/dist-packages 2.39"},
		{name: "the second, asked for", files: append(debian, own...), asked: "3.12", want: "/usr/bin/python3.12 3.12 3.12 usr/local/lib/python3.12/dist-packages 2.39"},
		{name: "asked for what it is", files: own, asked: "3.11", want: "/usr/local/bin/python3 3.11 3.11 usr/local/lib/python3.11/site-packages any"},
		{name: "asked for another", files: own, asked: "3.12", err: &PythonVersionError{"3.12", "/usr/local/bin/python3", "3.11"}},
		{name: "a virtual environment", files: append(debian, "opt/venv/bin/python3 -> /usr/bin/python3.12", "opt/venv/pyvenv.cfg"), env: []string{"PATH=/opt/venv/bin:/usr/bin"},
			want: "/opt/venv/bin/python3 3.12 3.12 opt/venv/lib/python3.12/site-packages 2.39"},
		{name: "conda", files: append(debian, "opt/conda/bin/python3.10", "opt/conda/bin/python3 -> python3.10"), env: []string{"PATH=/opt/conda/bin:/usr/bin"},
			want: "/opt/conda/bin/python3 3.10 3.10 opt/conda/lib/python3.10/site-packages 2.39"},
		{name: "Fedora", files: []string{"usr/bin/python3 -> python3.13", "usr/bin/python3.13", "usr/lib64/python3.13/os.py", "usr/lib/python3.13/site-packages/x"},
			want: "/usr/bin/python3 3.13 3.13 usr/local/lib/python3.13/site-packages any"},
		{name: "Alpine", files: []string{"usr/bin/python3 -> python3.12", "usr/bin/python3.12", "usr/lib/python3.12/site-packages/x", "lib/ld-musl-aarch64.so.1"},
			want: "/usr/bin/python3 3.12 3.12 usr/lib/python3.12/site-packages "},
		{name: "by its library", files: []string{"usr/local/bin/python3", "usr/local/lib/python3.12/os.py"}, want: "/usr/local/bin/python3 3.12 3.12 usr/local/lib/python3.12/site-packages any"},
		{name: "a dangling python3", files: append(debian, "usr/local/bin/python3 -> gone"), want: "/usr/bin/python3 3.12 3.12 usr/local/lib/python3.12/dist-packages 2.39"},
		{name: "none", files: []string{"etc/os-release"}, err: ErrNoPython},
		{name: "none, asked for", files: []string{"etc/os-release"}, asked: "3.12", want: "/usr/bin/python3 3.12 3.12 usr/local/lib/python3.12/dist-packages any", err: ErrNoPython},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, told, err := listedBase(t, test.files...).ListedPython(v1.Config{Env: test.env}, test.asked)
			if want, ok := errors.AsType[*PythonVersionError](test.err); ok {
				var version *PythonVersionError
				if !errors.As(err, &version) || *version != *want {
					t.Errorf("error is %v, want %v", err, want)
				}
			} else if !errors.Is(err, test.err) {
				t.Errorf("error is %v, want %v", err, test.err)
			}
			library := got.GLIBC
			if got.AnyLibrary {
				library = "any"
			}
			line := strings.Join([]string{got.Path, got.Version, got.Full, got.Scheme.Purelib, library}, " ")
			if test.want == "" {
				return
			}
			if diff := cmp.Diff(test.want, line); diff != "" {
				t.Errorf("Python (-want +got):\n%s", diff)
			}
			if !strings.Contains(told, test.told) || test.told == "" && told != "" {
				t.Errorf("told %q, want %q", told, test.told)
			}
		})
	}
}
