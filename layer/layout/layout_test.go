package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
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
	// Two images of two layers, a config and a manifest: nothing else is left.
	left, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil || len(left) != 8 {
		t.Errorf("%d blobs are there, not 8: %v", len(left), err)
	}
}

func TestWriteKeepsSharedBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t)
	write(t, dir, "one", img)
	write(t, dir, "two", img)
	write(t, dir, "one", randomImage(t))
	read, err := layout.Read(dir, "two", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err != nil {
		t.Error(err)
	}
}

func TestWriteMendsAndTidies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t)
	want := write(t, dir, "", img)
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range blobs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1 // the size stays: the hash tells
		if err := os.WriteFile(path, b[:len(b)-i%2], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// As a killed writer leaves it.
	for _, left := range []string{"index.json", "oci-layout"} {
		if err := os.Rename(filepath.Join(dir, left), filepath.Join(dir, atomicfile.Temp(left)+"123")); err != nil {
			t.Fatal(err)
		}
	}
	if got := write(t, dir, "", img); got != want {
		t.Errorf("wrote %s, then %s", want, got)
	}
	read, err := layout.Read(dir, "latest", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 3 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
}

func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "image")
	shared := randomImage(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			img := shared
			if i%2 == 0 {
				img = randomImage(t)
			}
			if _, err := layout.Write(t.Context(), dir, fmt.Sprint("t", i), img); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 6 {
		img, err := layout.Read(dir, fmt.Sprint("t", i), v1.Platform{})
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteRefusesOtherDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Write(t.Context(), dir, "", randomImage(t)); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("writing over a directory of other things: %v", err)
	}
}

func TestReadChoosesPlatform(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var index v1.IndexManifest
	want := map[string]v1.Hash{}
	for _, arch := range []string{"amd64", "arm64"} {
		img := randomImage(t)
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config.OS, config.Architecture = "linux", arch
		if img, err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
		want[arch] = write(t, dir, arch, img)
		d, err := layout.Descriptor(img, "")
		if err != nil {
			t.Fatal(err)
		}
		index.Manifests = append(index.Manifests, d)
	}
	putIndex(t, dir, index)
	for arch, h := range want {
		img, err := layout.Read(dir, "", v1.Platform{OS: "linux", Architecture: arch})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := img.Digest(); got != h {
			t.Errorf("%s: read %s, want %s", arch, got, h)
		}
	}
	_, err := layout.Read(dir, "", v1.Platform{OS: "linux", Architecture: "riscv64"})
	if err == nil || !strings.Contains(err.Error(), "no image for linux/riscv64; it has linux/amd64, linux/arm64") {
		t.Errorf("reading for a platform that is not there: %v", err)
	}
}

// putIndex makes the layout's one entry an index that names the manifests.
func putIndex(t *testing.T, dir string, index v1.IndexManifest) {
	t.Helper()
	index.SchemaVersion, index.MediaType = 2, types.OCIImageIndex
	src, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	h, size, err := v1.SHA256(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", h.Hex), src, 0o644); err != nil {
		t.Fatal(err)
	}
	putEntries(t, dir, v1.Descriptor{MediaType: types.OCIImageIndex, Digest: h, Size: size})
}

// putEntries makes these all that the layout's index.json lists.
func putEntries(t *testing.T, dir string, entries ...v1.Descriptor) {
	t.Helper()
	top, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: entries})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), top, 0o644); err != nil {
		t.Fatal(err)
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
