package listing_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/listing"
)

// tarOf makes a layer's tar of headers; a regular file holds its own name.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.ModTime = layer.Epoch
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
func dir(name string) tar.Header {
	return tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}
}
func symlink(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}
func hardlink(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
}

func keepAll(_ string, size int64) listing.Reader { return listing.Whole(size, 1<<20) }

func filesOf(t testing.TB, keep listing.Keep, tars ...[]byte) (*listing.Files, error) {
	t.Helper()
	files := listing.New()
	for _, text := range tars {
		var list bytes.Buffer
		if err := listing.Write(t.Context(), &list, bytes.NewReader(text), keep); err != nil {
			return nil, err
		}
		if err := files.Apply(&list); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// layers are images whose files are told by Unpack too.
var layers = []struct {
	name string
	tars [][]tar.Header
}{
	{"whiteouts", [][]tar.Header{
		{dir("a"), file("a/x"), file("a/y"), dir("b"), file("b/x"), dir("c/d"), file("c/d/e")},
		{file("a/.wh.x"), file("b/.wh..wh..opq"), file("b/new"), file("c/.wh.d"), file(".wh.nothing"), file("no/.wh.x")},
	}},
	{"whiteouts spare their own layer", [][]tar.Header{
		{dir("a"), file("a/old"), dir("b"), file("b/old")},
		{file("a/new"), file(".wh.a"), file("b/new"), file("b/.wh..wh..opq"), file("c"), file(".wh.c")},
	}},
	{"links to directories", [][]tar.Header{
		{dir("usr/lib"), symlink("lib", "usr/lib"), symlink("bin", "/usr/bin"), dir("usr/bin")},
		{file("lib/libc.so"), file("bin/sh"), file("lib/.wh.nothing"), symlink("usr/bin/up", "../../lib/../bin")},
	}},
	{"a directory over a link, a file over a directory, a link over both", [][]tar.Header{
		{dir("d"), file("d/x"), symlink("l", "d"), dir("e"), file("e/x"), file("f")},
		{dir("l"), file("l/own"), file("d"), symlink("e", "f"), dir("f"), file("f/x")},
	}},
	{"hard links", [][]tar.Header{
		{dir("d"), file("d/x"), hardlink("h", "d/x"), symlink("l", "d")},
		{hardlink("again", "/h"), hardlink("l/y", "l/x"), hardlink("d/x", "d/x")},
	}},
	{"links that lead nowhere", [][]tar.Header{
		{symlink("gone", "no/where"), symlink("round", "circle"), symlink("circle", "round"), symlink("up", "../../..")},
		{file("gone/x"), file("up/y")},
	}},
}

func TestFilesAreThoseThatUnpackWrites(t *testing.T) {
	t.Parallel()
	for _, test := range layers {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var tars [][]byte
			for _, headers := range test.tars {
				tars = append(tars, tarOf(t, headers...))
			}
			got, want, err := both(t, tars...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files (-Unpack +lists):\n%s", diff)
			}
		})
	}
}

// both are the files of an image as lists tell them and as Unpack writes them.
func both(t testing.TB, tars ...[]byte) (got, want map[string]string, err error) {
	t.Helper()
	var blobs []*layer.Blob
	for _, text := range tars {
		blob, err := layer.WriteTar(t.Context(), t.TempDir(), bytes.NewReader(text), layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blobs...)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	shape, unpackErr := layer.Unpack(t.Context(), img, root)
	files, err := filesOf(t, keepAll, tars...)
	if (err == nil) != (unpackErr == nil) {
		t.Fatalf("Unpack says %v, lists say %v", unpackErr, err)
	}
	if err != nil {
		return nil, nil, err
	}
	got, want = map[string]string{}, map[string]string{}
	describeFiles(t, files, ".", got)
	describeRoot(t, root, want)
	if diff := cmp.Diff(shape, files.Shape()); diff != "" {
		t.Errorf("shape (-Unpack +lists):\n%s", diff)
	}
	return got, want, nil
}

func describeFiles(t testing.TB, files *listing.Files, at string, into map[string]string) {
	for _, name := range files.Names(at) {
		name = strings.TrimPrefix(at+"/"+name, "./")
		e, ok := files.Lstat(name)
		switch {
		case !ok || e.Name != name:
			t.Errorf("Lstat(%q) is %+v", name, e)
		case e.Kind == tar.TypeDir:
			into[name] = "dir"
			describeFiles(t, files, name, into)
		case e.Kind == tar.TypeSymlink:
			into[name] = "link " + e.Link
		default:
			into[name] = "file " + string(e.Content)
		}
	}
}

func describeRoot(t testing.TB, root *os.Root, into map[string]string) {
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
		case d.IsDir():
			into[name] = "dir"
		case d.Type()&fs.ModeSymlink != 0:
			link, err := root.Readlink(name)
			into[name] = "link " + link
			return err
		default:
			text, err := root.ReadFile(name)
			into[name] = "file " + string(text)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesFollowLinks(t *testing.T) {
	t.Parallel()
	files, err := filesOf(t, keepAll, tarOf(t, dir("usr/bin"), file("usr/bin/python3.11"), symlink("usr/bin/python3", "python3.11"),
		symlink("bin", "/usr/bin"), symlink("python", "bin/../bin/python3"), symlink("round", "round"), symlink("gone", "x")))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"bin/python3": "usr/bin/python3.11", "python": "usr/bin/python3.11", "bin": "usr/bin", "": "."} {
		if e, err := files.Stat(name); err != nil || e.Name != want {
			t.Errorf("Stat(%q) = %q, %v, want %q", name, e.Name, err, want)
		}
	}
	for name, want := range map[string]error{"round": listing.ErrLoop, "gone": fs.ErrNotExist, "none": fs.ErrNotExist} {
		if _, err := files.Stat(name); !errors.Is(err, want) {
			t.Errorf("Stat(%q): %v, want %v", name, err, want)
		}
	}
	if _, ok := files.Lstat("bin/python3"); ok {
		t.Error("Lstat passes a link")
	}
}

func TestFilesAreAnFS(t *testing.T) {
	t.Parallel()
	keep := func(name string, size int64) listing.Reader {
		if name == "a/kept" {
			return listing.Whole(size, 100)
		}
		return nil
	}
	files, err := filesOf(t, keep, tarOf(t, dir("a"), file("a/kept"), file("a/other"), symlink("l", "/a")))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(files, "l/kept"); err != nil || string(text) != "a/kept" {
		t.Errorf("reading through a link: %q, %v", text, err)
	}
	if _, err := fs.ReadFile(files, "a/other"); !errors.Is(err, listing.ErrNotKept) {
		t.Errorf("reading what was not kept: %v", err)
	}
	if got, err := fs.Glob(files, "a/*"); err != nil || len(got) != 2 {
		t.Errorf("Glob is %q, %v", got, err)
	}
	sub, err := fs.Sub(files, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadDir(sub, "."); err != nil {
		t.Error(err)
	}
}

func TestHostileLayersAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x/", 2100)
	for name, test := range map[string]struct {
		tar  []tar.Header
		want string
	}{
		"leaves the image": {[]tar.Header{file("../x")}, "leaves the image"},
		"leads out inside": {[]tar.Header{file("a/../../x")}, "leaves the image"},
		"long name":        {[]tar.Header{file(long + "x")}, "4096 bytes"},
		"long link":        {[]tar.Header{symlink("x", long)}, "4096 bytes"},
		"links in circle":  {[]tar.Header{symlink("a", "b"), symlink("b", "a"), file("a/x")}, "loop"},
		"link to nothing":  {[]tar.Header{hardlink("a", "b")}, "does not exist"},
		"below a file":     {[]tar.Header{file("a"), file("a/x")}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := filesOf(t, nil, tarOf(t, test.tar...))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

func TestCutLayersAndListsAreErrors(t *testing.T) {
	t.Parallel()
	whole := tarOf(t, file("a"), file(strings.Repeat("b", 90)))
	if err := listing.Write(t.Context(), io.Discard, bytes.NewReader(whole[:3*512+50]), nil); err == nil {
		t.Error("a tar that ends early is taken")
	}
	var list bytes.Buffer
	if err := listing.Write(t.Context(), &list, bytes.NewReader(whole), nil); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, list.Len() / 2, list.Len() - 1} {
		if err := listing.New().Apply(bytes.NewReader(list.Bytes()[:cut])); err == nil {
			t.Errorf("a list cut at %d is taken", cut)
		}
	}
}

// FuzzFiles lets two layers at the lists and at Unpack: both refuse, or both
// come to the same files and the same shape.
func FuzzFiles(f *testing.F) {
	for _, seed := range layers {
		f.Add(tarOf(f, seed.tars[0]...), tarOf(f, seed.tars[len(seed.tars)-1]...))
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		if len(lower)+len(upper) > 1<<16 || devices(lower) || devices(upper) {
			t.Skip("a small tar shows as much, and Unpack leaves devices out")
		}
		got, want, err := both(t, lower, upper)
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files (-Unpack +lists):\n%s", diff)
		}
	})
}

func devices(text []byte) bool {
	for tr := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := tr.Next()
		if err != nil {
			return false
		}
		if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock || h.Typeflag == tar.TypeFifo {
			return true
		}
	}
}

// BenchmarkFiles reads the lists of a base of 100,000 files.
func BenchmarkFiles(b *testing.B) {
	var headers []tar.Header
	for i := range 1000 {
		headers = append(headers, dir(fmt.Sprintf("usr/lib/python3/dist-packages/package%d", i)))
		for j := range 100 {
			headers = append(headers, file(fmt.Sprintf("usr/lib/python3/dist-packages/package%d/module%d.py", i, j)))
		}
	}
	text := tarOf(b, headers...)
	var list bytes.Buffer
	if err := listing.Write(b.Context(), &list, bytes.NewReader(text), nil); err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if err := listing.Write(b.Context(), io.Discard, bytes.NewReader(text), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("apply", func(b *testing.B) {
		b.SetBytes(int64(list.Len()))
		for b.Loop() {
			if err := listing.New().Apply(bytes.NewReader(list.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
	})
}
