package pipeline

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// TestWheelsRespectTheBase lays a wheel on a base as Debian's is: usr/local/man
// is a link, and directories of the staff group are writable for it.
func TestWheelsRespectTheBase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := filepath.Join(dir, "base.tar")
	writeTar(t, base,
		tar.Header{Typeflag: tar.TypeDir, Name: "./usr/local/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeDir, Name: "./usr/local/lib/", Mode: 0o2775, Gid: 50},
		tar.Header{Typeflag: tar.TypeDir, Name: "./usr/local/share/man/", Mode: 0o755},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/local/man", Linkname: "share/man"},
		tar.Header{Typeflag: tar.TypeDir, Name: "./root/", Mode: 0o700})
	w := wheeltest.New("x-1.0-py3-none-any.whl", "x.py", "1\n", "x-1.0.data/data/man/man1/x.1", "x\n").Write(t, dir)
	made, err := lay(t, filepath.Join(dir, "store"), w, base, silent{})
	if err != nil {
		t.Fatal(err)
	}
	lib := "usr/local/lib/python3.12/"
	want := []string{
		"755 0:0 usr/", "755 0:0 usr/local/", "2775 0:50 usr/local/lib/", "755 0:0 " + lib, "755 0:0 " + lib + "dist-packages/",
		"755 0:0 " + lib + "dist-packages/x-1.0.dist-info/",
		"755 0:0 usr/local/share/", "755 0:0 usr/local/share/man/", "755 0:0 usr/local/share/man/man1/",
	}
	if diff := cmp.Diff(want, directories(t, made.Layers[0].Blob)); diff != "" {
		t.Errorf("directories of the layer (-want +got):\n%s", diff)
	}
}

// lay puts one wheel onto a base without Python.
func lay(t *testing.T, dir, wheel, base string, told stage.Reporter) (*Result, error) {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := new(stage.Graph)
	made, err := Layers(g, host.Env{Store: s, Index: new(index.Client), Jobs: 2, Host: v1.Platform{OS: "linux", Architecture: "amd64"}}, LayersRequest{
		Wheels: []string{wheel}, Base: imagename.Name{Transport: imagename.Tar, Path: base}, Platform: "linux/arm64", Python: "3.12",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context(), 2, told); err != nil {
		return nil, err
	}
	return made.Value(), nil
}

// TestVerifiedWheelsAreRemembered: what is odd is told every time, faults are
// never remembered, and another wheel of the same name is another wheel.
func TestVerifiedWheelsAreRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base, stores := filepath.Join(dir, "base.tar"), filepath.Join(dir, "store")
	writeTar(t, base, tar.Header{Typeflag: tar.TypeDir, Name: "./usr/", Mode: 0o755})
	odd := wheeltest.New("x-1.0-py3-none-any.whl", "x/A.py", "1\n", "x/a.py", "1\n").Write(t, dir)
	for range 2 {
		var told notes
		if _, err := lay(t, stores, odd, base, &told); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(told.String(), "A.py") {
			t.Errorf("told %q, nothing of x/A.py and x/a.py", told.String())
		}
	}
	lying := wheeltest.New("x-1.0-py3-none-any.whl", "x/A.py", "1\n")
	lying.Find("x/A.py").Packed = wheeltest.Deflate("2\n")
	lying.Write(t, dir)
	for range 2 {
		_, err := lay(t, stores, odd, base, silent{})
		if _, ok := errors.AsType[*wheel.VerifyError](err); !ok {
			t.Errorf("a lying wheel gave %v", err)
		}
	}
}

// writeTar is a root file system for arm64.
func writeTar(t *testing.T, path string, headers ...tar.Header) {
	t.Helper()
	writeTarOf(t, path, nil, headers...)
}

// writeTarOf is writeTar with files of these texts.
func writeTarOf(t *testing.T, path string, files map[string]string, headers ...tar.Header) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := tar.Header{Typeflag: tar.TypeReg, Name: "./" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	program := make([]byte, 64) // as much of an ELF file as tells its machine
	copy(program, "\x7fELF\x02\x01\x01")
	copy(program[16:], "\x02\x00\xb7\x00\x01")
	program[52] = 64
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./usr/bin/sh", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func directories(t *testing.T, b *layer.Blob) (lines []string) {
	t.Helper()
	rc, err := b.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			lines = append(lines, fmt.Sprintf("%o %d:%d %s", h.Mode, h.Uid, h.Gid, h.Name))
		}
	}
}
