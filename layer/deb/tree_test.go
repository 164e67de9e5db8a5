package deb

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/layer"
)

// What installing packages changed becomes a layer with the owners that the
// packages and the base give, and without what differs each time.
func TestTree(t *testing.T) {
	t.Parallel()
	changes := fstest.MapFS{}
	add := func(name string, mode fs.FileMode) { changes[name] = &fstest.MapFile{Data: []byte("x"), Mode: mode} }
	for _, dir := range []string{"etc", "usr", "usr/lib", "usr/bin", "var", "var/log", "var/log/new", "var/mail", "usr/share", "usr/share/new"} {
		add(dir, fs.ModeDir|0o755)
	}
	changes["var/mail"].Mode = fs.ModeDir | fs.ModeSticky | 0o775
	changes["etc/group"] = &fstest.MapFile{Data: []byte("root:x:0:\nnews:x:9:\n"), Mode: 0o644}
	changes["etc/shadow"] = &fstest.MapFile{Data: []byte("x"), Mode: 0o640}
	add("etc/changed", 0o600)
	add("usr/lib/libx.so", 0o644)
	add("usr/bin/su", 0o755|fs.ModeSetuid)
	add("usr/bin/made-by-script", 0o755)
	add("usr/bin/given-away", 0o755|fs.ModeSetgid)
	add("usr/lib/__pycache__/x.pyc", 0o644)
	add("usr/share/.wh..wh..opq", 0o644)
	add("usr/share/new/.wh..wh..opq", 0o644)
	add("usr/share/new/.wh.gone", 0o644)
	for _, name := range []string{
		"var/log/dpkg.log", "var/cache/apt/pkgcache.bin", "var/cache/debconf/config.dat-old", "var/cache/ldconfig/aux-cache",
		"var/lib/dpkg/status-old", "run/x.pid", "tmp/x", "etc/passwd-", "etc/machine-id", "etc/ssh/ssh_host_rsa_key.pub",
	} {
		add(name, 0o644)
	}
	add("var/cache/debconf/config.dat", 0o644)
	root := fstest.MapFS{
		"lib":        {Data: []byte("usr/lib"), Mode: fs.ModeSymlink | 0o777},
		"etc/passwd": {Data: []byte("root:x:0:0::/:\nman:x:6:12::/:\nbroken\n")},
	}
	p := &Package{Files: []File{
		{Path: "lib/libx.so", User: "man", Group: "news", UID: 1000, GID: 1000},
		{Path: "usr/bin", User: "man"},
		{Path: "usr/bin/su", Mode: 0o4755, User: "root", UID: 1000, Group: "shadow", GID: 42},
	}}
	base := map[string]layer.Dir{
		"usr": {Mode: 0o755}, "usr/bin": {Mode: 0o755}, "usr/share": {Mode: 0o755}, "var/mail": {Mode: 0o3775, GID: 8},
		"etc/shadow": {Mode: 0o640, GID: 42}, "etc/changed": {Mode: 0o4644, UID: 7},
	}
	tree, cleared, err := Tree(changes, Origin{Packages: []*Package{p}, Base: base, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"usr/bin/given-away"}, cleared); diff != "" {
		t.Errorf("files that no longer set their group (-want +got):\n%s", diff)
	}
	got := map[string]layer.Dir{}
	blob, err := layer.Write(t.Context(), t.TempDir(), tree, layer.Options{Compression: layer.None})
	if err != nil {
		t.Fatal(err)
	}
	r, err := blob.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = eachEntry(r, func(h *tar.Header, _ io.Reader) error {
		if h.Typeflag == tar.TypeReg || h.Mode&0o7000 != 0 {
			got[h.Name] = layer.Dir{Mode: h.Mode, UID: h.Uid, GID: h.Gid}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]layer.Dir{
		"etc/group": {Mode: 0o644}, "etc/shadow": {Mode: 0o640, GID: 42}, "etc/changed": {Mode: 0o600, UID: 7},
		"usr/bin/su": {Mode: 0o4755, GID: 42}, "usr/bin/given-away": {Mode: 0o755}, "usr/bin/made-by-script": {Mode: 0o755}, "usr/lib/libx.so": {Mode: 0o644, UID: 6, GID: 9},
		"usr/share/.wh..wh..opq": {Mode: 0o644}, "usr/share/new/.wh.gone": {Mode: 0o644},
		"var/cache/debconf/config.dat": {Mode: 0o644}, "var/mail/": {Mode: 0o3775, GID: 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

// Entries are those of the topmost layer that has them.
func TestEntries(t *testing.T) {
	t.Parallel()
	img := imageOf(t,
		tarOf(t, tar.Header{Name: "./etc/shadow", Mode: 0o640, Gid: 42}, tar.Header{Name: "./etc/passwd", Mode: 0o644}),
		tarOf(t, tar.Header{Name: "etc/passwd", Mode: 0o600, Uid: 3}))
	got, err := Entries(t.Context(), img, func(path string) bool { return path != "etc/other" })
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]layer.Dir{"etc/shadow": {Mode: 0o640, GID: 42}, "etc/passwd": {Mode: 0o600, UID: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
}

// imageOf is an image of those tars.
func imageOf(t *testing.T, tars ...[]byte) v1.Image {
	t.Helper()
	var blobs []*layer.Blob
	for _, data := range tars {
		b, err := layer.WriteTar(t.Context(), t.TempDir(), bytes.NewReader(data), layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, b)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blobs...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func BenchmarkRead(b *testing.B) {
	var entries []tar.Header
	for i := range 64 {
		entries = append(entries, tar.Header{Name: fmt.Sprintf("./%d", i), Mode: 0o644, Size: 1 << 20})
	}
	// Half of every block is noise, so that it packs as programs do.
	data := tarOf(b, entries...)
	noise := rand.New(rand.NewPCG(1, 2))
	for i := 512; i < len(data); i++ {
		if data[i] == 'x' && i%512 < 256 {
			data[i] = byte(noise.Uint32())
		}
	}
	for _, suffix := range []string{".gz", ".xz", ".zst"} {
		b.Run(suffix[1:], func(b *testing.B) {
			deb := packageOf(b, suffix, data)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Read(b.Context(), bytes.NewReader(deb)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
