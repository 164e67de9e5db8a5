package inspection

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

// layerOf is a layer of files given as path, SONAME, path, SONAME, ....
func layerOf(t *testing.T, files ...string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		content := elftest.ELF{SONAME: files[i+1]}.Bytes()
		h := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if strings.HasSuffix(files[i], "/") {
			h.Typeflag, h.Size, content = tar.TypeDir, 0, nil
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestImage sees of each layer what the ones above leave.
func TestImage(t *testing.T) {
	t.Parallel()
	img, err := mutate.AppendLayers(
		empty.Image,
		layerOf(t, "usr/lib/a.so", "kept", "usr/lib/b.so", "replaced", "usr/lib/c.so", "removed", "opt/x/d.so", "gone with its directory", "opt/y/e.so", "made opaque", "opt/y/deep/f.so", "made opaque"),
		layerOf(t, "./usr/lib/b.so", "new", "usr/lib/.wh.c.so", "", "opt/.wh.x", "", "opt/y/", "", "opt/y/.wh..wh..opq", "", "opt/y/g.so", "beside the mark"),
		layerOf(t, "usr/lib/c.so", "there again"),
	)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Image(t.Context(), img, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found.Files {
		got[f.Path] = f.SONAME
	}
	want := map[string]string{"usr/lib/a.so": "kept", "usr/lib/b.so": "new", "usr/lib/c.so": "there again", "opt/y/g.so": "beside the mark"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeb reads a package that dpkg-deb made.
func TestDeb(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not here")
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"DEBIAN/control":    []byte("Package: libx\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@example.com>\nDescription: x\n"),
		"usr/lib/libx.so.1": elftest.ELF{SONAME: "libx.so.1", Fatbin: elftest.Container(elftest.SASS(121, elftest.Specific, 1))}.Bytes(),
		"usr/share/doc/x":   []byte("text"),
	} {
		path := filepath.Join(dir, "x", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "x.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", filepath.Join(dir, "x"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found, err := Deb(t.Context(), file, inspect.Options{})
	if err != nil || len(found.Files) != 1 {
		t.Fatal(found, err)
	}
	d := Of(file, found, cuda.Target{GPU: cuda.GPU{Major: 12, Minor: 1}})
	if d.Verdict != cuda.Native || d.ELF[0].Path != "usr/lib/libx.so.1" {
		t.Errorf("%+v", d)
	}
}
