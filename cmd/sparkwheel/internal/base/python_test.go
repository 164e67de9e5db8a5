package base

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
)

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
		"two versions":       {two, "", answer{Err: "2 versions of Python at /usr/bin/python3; choose one with --python"}},
		"two, one asked for": {two, "3.12", answer{"/usr/bin/python3", "3.12", "usr/local/lib/python3.12/dist-packages", "/usr/bin/python3", "", ""}},
		"none":               {t.TempDir(), "", answer{Err: "the base has no Python"}},
		"none, one asked for": {t.TempDir(), "3.12", answer{
			"/usr/bin/python3", "3.12", "usr/local/lib/python3.12/dist-packages", "/usr/bin/python3", "", "the base has no Python",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := ReadPython(tt.root, "arm64", tt.asked)
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

func TestTagsOfAnUnknownLibrary(t *testing.T) {
	t.Parallel()
	glibc := Python{Version: "3.12", Machine: "aarch64", GLIBC: "2.39"}.Tags()
	musl := Python{Version: "3.12", Machine: "aarch64"}.Tags()
	compiled := wheel.Tag{Python: "cp312", ABI: "cp312", Platform: "manylinux_2_28_aarch64"}
	has := func(all []wheel.Tag) bool {
		return slices.Contains(all, compiled)
	}
	if !has(glibc) || has(musl) {
		t.Errorf("%v fits glibc 2.39: %v, an unknown C library: %v", compiled, has(glibc), has(musl))
	}
}
