package archive_test

import (
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer/archive"
)

func randomImage(t testing.TB) v1.Image {
	t.Helper()
	img, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestOCIArchive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.tar")
	img := randomImage(t)
	if err := archive.WriteOCI(t.Context(), file, "one", img); err != nil {
		t.Fatal(err)
	}
	got, err := archive.ReadOCI(t.Context(), file, "one", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	want, _ := img.Digest()
	if h, _ := got.Digest(); h != want {
		t.Errorf("read %s, wrote %s", h, want)
	}
}

func TestDockerArchive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.tar")
	img := randomImage(t)
	if err := archive.WriteDocker(t.Context(), file, "name:tag", img); err != nil {
		t.Fatal(err)
	}
	// ggcr's own reader is the judge of what was written.
	theirs, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(theirs); err != nil {
		t.Error(err)
	}
	got, err := archive.ReadDocker(t.Context(), file, "name:tag", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	want, _ := img.ConfigName()
	if h, _ := got.ConfigName(); h != want {
		t.Errorf("config is %s, wrote %s", h, want)
	}
}
