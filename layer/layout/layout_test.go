package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func write(t *testing.T, dir, tag string, img v1.Image) v1.Hash {
	t.Helper()
	h, err := layout.Write(t.Context(), dir, tag, img)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWriteRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blob, err := layer.Write(t.Context(), t.TempDir(), fstest.MapFS{"opt/a": {Data: []byte("a"), Mode: 0o644}}, layer.Options{Comment: "a.whl"})
	if err != nil {
		t.Fatal(err)
	}
	img, err := layer.Append(randomImage(t), layer.Config{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	want := write(t, dir, "", img)
	got, err := layout.Read(dir, "", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := got.Digest(); h != want {
		t.Errorf("read %s, wrote %s", h, want)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	// The store's blob and the layout's are one file where they can be.
	digest, _ := blob.Digest()
	a, errA := os.Stat(blob.Path())
	b, errB := os.Stat(filepath.Join(dir, "blobs", "sha256", digest.Hex))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("the blob was not linked: %v, %v", errA, errB)
	}
}

func TestWriteReplacesItsTagAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "one", randomImage(t))
	two := write(t, dir, "two", randomImage(t))
	one := write(t, dir, "one", randomImage(t))
	got := map[string]v1.Hash{}
	for _, tag := range []string{"one", "two"} {
		img, err := layout.Read(dir, tag, v1.Platform{})
		if err != nil {
			t.Fatal(err)
		}
		if got[tag], err = img.Digest(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]v1.Hash{"one": one, "two": two}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	_, err := layout.Read(dir, "three", v1.Platform{})
	var tagErr *layout.TagError
	if !errors.As(err, &tagErr) || !strings.Contains(err.Error(), "it has two, one") {
		t.Errorf("reading tag three: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*", ".tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestReadFindsDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t)
	write(t, dir, "", img)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, _ := layers[0].Digest()
	path := filepath.Join(dir, "blobs", "sha256", h.Hex)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := layout.Read(dir, "", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err == nil {
		t.Error("a flipped bit passed")
	}
}
