package hosts

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func archived(t *testing.T, have ...bool) (*wanted, []byte) {
	t.Helper()
	img, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	w, err := describe(img, tag)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := w.archive(t.Context(), &b, have); err != nil {
		t.Fatal(err)
	}
	return w, b.Bytes()
}

// A whole archive is one that others read.
func TestArchiveWhole(t *testing.T) {
	t.Parallel()
	w, b := archived(t, false, false, false)
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, &w.tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if id != w.id {
		t.Errorf("its ID is %s, want %s", id, w.id)
	}
}

// Layers that the host has are named in the manifest and not in the archive.
func TestArchiveLeavesOut(t *testing.T) {
	t.Parallel()
	w, b := archived(t, true, false, true)
	var names []string
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == "manifest.json" {
			if err := json.NewDecoder(tr).Decode(&manifest); err != nil {
				t.Fatal(err)
			}
		}
	}
	layer := func(i int) string { return w.diffIDs[i].Hex + ".tar" }
	if diff := cmp.Diff([]string{w.id.Hex + ".json", layer(1), "manifest.json"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{layer(0), layer(1), layer(2)}, manifest[0].Layers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"docker.io/team/app:v1"}, manifest[0].RepoTags); diff != "" {
		t.Error(diff)
	}
}
