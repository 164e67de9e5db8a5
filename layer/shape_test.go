package layer_test

import (
	"archive/tar"
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/layer"
)

func TestUnpackTellsTheShape(t *testing.T) {
	t.Parallel()
	staff := tar.Header{Name: "./usr/local/lib/", Typeflag: tar.TypeDir, Mode: 0o2775, Gid: 50}
	tmp := tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}
	opt := tar.Header{Name: "opt/", Typeflag: tar.TypeDir, Mode: 0o700}
	img := imageOf(t,
		tarOf(t, dir("usr"), dir("usr/bin"), dir("usr/lib"), dir("usr/local"), staff, tmp, opt, dir("usr/local/share/man"),
			symlink("bin", "usr/bin"), symlink("lib", "/usr/lib"), symlink("usr/local/man", "share/man"), symlink("usr/local/python", "bin/python3"),
			symlink("round", "circle"), symlink("circle", "round"), symlink("up", "../../.."), symlink("gone", "usr/bin"), symlink("var", "opt/var"), dir("opt/var")),
		// The second layer takes a link away, makes a directory of another, and
		// writes through one.
		tarOf(t, file(".wh.gone"), dir("opt/.wh.x"), file("opt/.wh..wh..opq"), dir("lib"), dir("lib/own"), dir("bin/below"),
			tar.Header{Name: "bin/below/", Typeflag: tar.TypeDir, Mode: 0o711}))
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got, err := layer.Unpack(t.Context(), img, root)
	if err != nil {
		t.Fatal(err)
	}
	want := layer.Shape{
		Links: map[string]string{"bin": "usr/bin", "usr/local/man": "usr/local/share/man"},
		Dirs: map[string]layer.Dir{
			"usr/local/lib": {Mode: 0o2775, GID: 50}, "tmp": {Mode: 0o1777}, "opt": {Mode: 0o700}, "usr/bin/below": {Mode: 0o711},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
	b := write(t, fstest.MapFS{
		"usr/local/lib/python3/x.py": {Data: []byte("x"), Mode: 0o644}, "usr/local/man/man1/x.1": {Data: []byte("x"), Mode: 0o644}, "bin/x": {Mode: 0o755},
	}, layer.Options{Links: got.Links, Dirs: got.Dirs})
	wantEntries := []string{
		"USTAR 0755 0:0 usr/", "USTAR 0755 0:0 usr/bin/", "USTAR 0755 0:0 usr/bin/x", "USTAR 0755 0:0 usr/local/",
		"USTAR 2775 0:50 usr/local/lib/", "USTAR 0755 0:0 usr/local/lib/python3/", "USTAR 0644 0:0 usr/local/lib/python3/x.py",
		"USTAR 0755 0:0 usr/local/share/", "USTAR 0755 0:0 usr/local/share/man/", "USTAR 0755 0:0 usr/local/share/man/man1/", "USTAR 0644 0:0 usr/local/share/man/man1/x.1",
	}
	if diff := cmp.Diff(wantEntries, listing(t, b)); diff != "" {
		t.Errorf("entries on that image (-want +got):\n%s", diff)
	}
}

// Some tools write no entries for the directories that their files stand in.
func TestUnpackTellsTheShapeOfImpliedDirectories(t *testing.T) {
	t.Parallel()
	img := imageOf(t,
		tarOf(t, symlink("lib", "usr/lib"), file("usr/lib/x86_64/libc.so"), symlink("bin", "usr/bin"), symlink("python", "usr/lib/x86_64/libc.so")),
		tarOf(t, file("bin/sh")))
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got, err := layer.Unpack(t.Context(), img, root)
	if err != nil {
		t.Fatal(err)
	}
	want := layer.Shape{Links: map[string]string{"lib": "usr/lib", "bin": "usr/bin"}, Dirs: map[string]layer.Dir{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shape (-want +got):\n%s", diff)
	}
}
