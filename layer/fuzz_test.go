package layer_test

import (
	"archive/tar"
	"io/fs"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer"
)

// FuzzUnpack lets hostile tars at Unpack: whatever it answers, nothing outside
// root changes (unpack looks).
func FuzzUnpack(f *testing.F) {
	for _, seed := range [][]tar.Header{
		{dir("a"), file("a/x"), symlink("l", "a"), hardlink("h", "a/x"), file("a/.wh.x")},
		{file("../outside")},
		{symlink("up", ".."), file("up/outside")},
		{symlink("up", "../.."), hardlink("x", "up/outside"), file("x")},
		{symlink("a", "/../../.."), dir("a"), file("a/outside")},
		{symlink("a", "b"), symlink("b", "a"), file("a/x")},
		{symlink("d", ".."), file("d/.wh.outside"), file("d/.wh..wh..opq")},
		{dir("d"), file("d/f"), symlink("d", "../"), file("d/.wh.outside")},
		{{Name: "/abs", Typeflag: tar.TypeReg}, {Name: "//x/../../outside", Typeflag: tar.TypeReg}},
	} {
		f.Add(tarOf(f, seed...), tarOf(f, file("second"), file(".wh.a")))
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		if len(lower)+len(upper) > 1<<16 {
			t.Skip("a small tar shows as much")
		}
		_, _ = unpack(t, imageOf(t, lower, upper))
	})
}

// FuzzWrite writes trees of any two names, the second perhaps moved by a link
// of the base: a layer that is written unpacks to the same two files.
func FuzzWrite(f *testing.F) {
	f.Add("bin/x", "usr/bin/y", "bin", "usr/bin")
	f.Add("a", "a/b", "a", "a")
	f.Add("bin", "bin2", "bin", "..")
	f.Add("lib/x", "usr/lib/x", "lib", "/usr/lib")
	f.Fuzz(func(t *testing.T, one, two, link, target string) {
		if !fs.ValidPath(one) || !fs.ValidPath(two) {
			t.Skip("no fs.FS has such names")
		}
		tree := mapTree(map[string]string{one: "1", two: "2"})
		blob, err := layer.Write(t.Context(), t.TempDir(), tree, layer.Options{Links: map[string]string{link: target}})
		if err != nil {
			return
		}
		checkHashes(t, blob)
		_ = listing(t, blob)
	})
}
