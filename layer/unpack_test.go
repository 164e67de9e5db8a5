package layer_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer"
)

// tarOf makes a layer's tar of headers; a regular file holds its own name.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.ModTime.IsZero() {
			h.ModTime = layer.Epoch
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(h.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func imageOf(t testing.TB, tars ...[]byte) v1.Image {
	t.Helper()
	var blobs []*layer.Blob
	for _, b := range tars {
		blob, err := layer.WriteTar(t.Context(), t.TempDir(), bytes.NewReader(b), layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := layer.Append(base, layer.Config{}, blobs...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func file(name string) tar.Header { return tar.Header{Name: name} }
func dir(name string) tar.Header {
	return tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}
}
func symlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
}
func hardlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}

// unpack unpacks into a directory beside a file that no layer may touch.
func unpack(t testing.TB, img v1.Image) (dir string, err error) {
	t.Helper()
	top := t.TempDir()
	outside := filepath.Join(top, "outside")
	if err := os.WriteFile(outside, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(top, "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = layer.Unpack(t.Context(), img, root)
	if b, err := os.ReadFile(outside); err != nil || string(b) != "mine" {
		t.Errorf("a layer reached out of root: %q, %v", b, err)
	}
	if names, _ := filepath.Glob(filepath.Join(top, "*")); len(names) != 2 {
		t.Errorf("a layer wrote beside root: %q", names)
	}
	return dir, err
}

// tree lists dir: mode and path, a file's content, a link's target.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %s", info.Mode(), name)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line = fmt.Sprintf("link %s -> %s", name, target)
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += " = " + string(b)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		layers [][]tar.Header
		want   []string
	}{
		{"files, modes and links", [][]tar.Header{{
			dir("usr"), dir("usr/bin"), symlink("bin", "usr/bin"),
			{Name: "usr/bin/su", Mode: 0o4755}, {Name: "etc/shadow", Mode: 0o040},
			{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
			{Name: "locked/", Typeflag: tar.TypeDir, Mode: 0o050},
			hardlink("usr/bin/su2", "usr/bin/su"),
			{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		}}, []string{
			"link bin -> usr/bin", "drwxr-xr-x dev", "drwxr-xr-x etc", "-r--r----- etc/shadow = etc/shadow",
			"drwxr-x--- locked", "dtrwxrwxrwx tmp", "drwxr-xr-x usr", "drwxr-xr-x usr/bin",
			"-rwxr-xr-x usr/bin/su = usr/bin/su", "-rwxr-xr-x usr/bin/su2 = usr/bin/su",
		}},
		{"whiteout hides the lower layer", [][]tar.Header{
			{dir("a"), file("a/x"), file("a/y"), dir("a/d"), file("a/d/z")},
			{file("a/.wh.x"), file("a/.wh.d")},
		}, []string{"drwxr-xr-x a", "-rw-r--r-- a/y = a/y"}},
		{"opaque directory", [][]tar.Header{
			{dir("a"), file("a/x"), dir("a/d"), file("a/d/z")},
			{dir("a"), file("a/new"), file("a/d/new"), file("a/.wh..wh..opq")},
		}, []string{"drwxr-xr-x a", "drwxr-xr-x a/d", "-rw-r--r-- a/d/new = a/d/new", "-rw-r--r-- a/new = a/new"}},
		{"whiteout spares its own layer", [][]tar.Header{
			{file("a")}, {file("a"), file(".wh.a")},
		}, []string{"-rw-r--r-- a = a"}},
		{"a file over a hard link leaves the other name", [][]tar.Header{
			{file("one"), hardlink("two", "one")}, {{Name: "./two", Mode: 0o600}},
		}, []string{"-rw-r--r-- one = one", "-rw------- two = ./two"}},
		{"kinds change", [][]tar.Header{
			{dir("d"), file("d/x"), file("f"), symlink("l", "d")},
			{file("d"), dir("f"), dir("l"), file("l/x")},
		}, []string{"-rw-r--r-- d = d", "drwxr-xr-x f", "drwxr-xr-x l", "-rw-r--r-- l/x = l/x"}},
		{"absolute link is followed from root", [][]tar.Header{
			{dir("run"), dir("var"), symlink("var/run", "/run")}, {file("var/run/pid")},
		}, []string{"drwxr-xr-x run", "-rw-r--r-- run/pid = var/run/pid", "drwxr-xr-x var", "link var/run -> /run"}},
		{"link up and out stays inside", [][]tar.Header{
			{symlink("up", "../../.."), file("up/outside")},
			{symlink("abs", "/"), file("abs/in")},
		}, []string{"link abs -> /", "-rw-r--r-- in = abs/in", "-rw-r--r-- outside = up/outside", "link up -> ../../.."}},
		{"a link's own name is replaced, not followed", [][]tar.Header{
			{symlink("x", "../outside")}, {file("x")},
		}, []string{"-rw-r--r-- x = x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tars [][]byte
			for _, l := range tt.layers {
				tars = append(tars, tarOf(t, l...))
			}
			dir, err := unpack(t, imageOf(t, tars...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tree(t, dir)); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnpackKeepsTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	d, f := dir("d"), file("d/f")
	d.ModTime, f.ModTime = at, at
	root, err := unpack(t, imageOf(t, tarOf(t, d, f), tarOf(t, file("d/later"))))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "d/f"} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(at) {
			t.Errorf("%s is of %s, not %s", name, info.ModTime(), at)
		}
	}
}

func TestUnpackChecksDiffIDs(t *testing.T) {
	t.Parallel()
	one, two := imageOf(t, tarOf(t, file("one"))), imageOf(t, tarOf(t, file("two")))
	if _, err := unpack(t, mixed{one, two}); err == nil || !strings.Contains(err.Error(), "config says") {
		t.Errorf("layers of another image: %v", err)
	}
}

// mixed is an image whose layers are another's.
type mixed struct {
	v1.Image
	layers v1.Image
}

func (m mixed) Layers() ([]v1.Layer, error) { return m.layers.Layers() }

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string][]tar.Header{
		"parent directory":          {file("../outside")},
		"parent further in":         {file("a/../../outside")},
		"hard link out":             {hardlink("x", "../outside")},
		"hard link through a link":  {symlink("up", ".."), hardlink("x", "up/../outside")},
		"hard link to nothing":      {hardlink("x", "missing")},
		"links in a circle":         {symlink("a", "b"), symlink("b", "a"), file("a/x")},
		"file as a directory":       {file("a"), file("a/x")},
		"whiteout of the directory": {file("a/.wh..")},
		"whiteout of the parent":    {file("a/.wh...")},
		"whiteout of nothing":       {file("a/.wh.")},
	}
	for name, headers := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := unpack(t, imageOf(t, tarOf(t, headers...))); err == nil {
				t.Error("it was unpacked")
			}
		})
	}
}
