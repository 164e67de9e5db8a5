package waste

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// layerOf is a layer of files given as path, content, path, content…; a path
// that ends in a slash is a directory.
func layerOf(t *testing.T, files ...string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[i+1]))}
		if strings.HasSuffix(files[i], "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
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

func TestOf(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5000)
	img, err := mutate.AppendLayers(
		empty.Image,
		layerOf(t,
			"usr/lib/libx.so", large, "usr/lib/liby.a", "1234", "usr/include/x.h", "123", "usr/share/doc/x/copyright", "12",
			"var/lib/apt/lists/x", "1", "opt/old/a", "12345", "opt/old/b", "12345", "etc/a", "1234567", "srv/d/f", "123456", "twice", "123", "twice", "1234"),
		layerOf(t,
			"opt/.wh.old", "", "etc/a", "12", "srv/d", "a file now", "usr/lib/python3/dist-packages/x/libx.so", large,
			"usr/lib/python3/dist-packages/x/tests/t.py", "123456789", "usr/lib/python3/dist-packages/testing.py", "1", "usr/lib/python3/dist-packages/small", "12"),
		layerOf(t, "usr/lib/small", "12", "etc/", ""),
	)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Of(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Kind]int64{Hidden: 5 + 5 + 7 + 6 + 3, Duplicate: 5000, StaticArchive: 4, Header: 3, Documentation: 2, Cache: 1, Test: 9}
	found := map[Kind]int64{}
	var sum int64
	for _, k := range got.Kinds {
		found[k.Kind] = k.Bytes
		sum += k.Bytes
		if k.Remedy == "" || len(k.Largest) == 0 {
			t.Errorf("%+v", k)
		}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Wasted != sum || got.Unpacked <= sum || got.Layers[0].Waste[Hidden] != 26 || got.Layers[1].Waste[Duplicate] != 5000 {
		t.Errorf("%+v", got)
	}
	duplicate := File{Path: "usr/lib/python3/dist-packages/x/libx.so", Size: 5000, Layer: 1, Of: "usr/lib/libx.so"}
	if diff := cmp.Diff(duplicate, got.Kinds[0].Largest[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
