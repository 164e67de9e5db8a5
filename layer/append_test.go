package layer_test

import (
	"errors"
	"io"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
)

// dockerBase is of the CUDA image's shape: docker media types, a platform with
// variant, an environment, and layers that must not be read.
func dockerBase(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.OS, config.Architecture, config.Variant = "linux", "arm64", "v8"
	config.Container = "4f66ad9a0b2e"
	config.History = append(config.History, v1.History{CreatedBy: "ENV A=1", EmptyLayer: true})
	config.Config = v1.Config{
		Env:        []string{"PATH=/usr/local/cuda/bin:/usr/bin", "NVIDIA_REQUIRE_CUDA=cuda>=9.0", "A=1"},
		Cmd:        []string{"/bin/bash"},
		Entrypoint: []string{"/opt/nvidia/nvidia_entrypoint.sh"},
		Labels:     map[string]string{"maintainer": "NVIDIA"},
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestAppend(t *testing.T) {
	t.Parallel()
	base := dockerBase(t)
	one := write(t, mapTree(map[string]string{"opt/one": "1"}), layer.Options{Comment: "one.whl"})
	two := write(t, mapTree(map[string]string{"opt/two": "2"}), layer.Options{Comment: "two.whl"})
	created := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	img, err := layer.Append(base, layer.Config{
		Env: []string{"A=2", "B=3"}, WorkDir: "/workspace", Entrypoint: []string{"vllm"},
		Labels:      map[string]string{"org.opencontainers.image.version": "0.22.1"},
		Annotations: map[string]string{"org.opencontainers.image.source": "https://example.org"},
		Created:     created,
	}, one, two)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	baseConfig, _ := base.ConfigFile()
	want := baseConfig.DeepCopy()
	oneID, _ := one.DiffID()
	twoID, _ := two.DiffID()
	want.RootFS.DiffIDs = append(want.RootFS.DiffIDs, oneID, twoID)
	want.Created = v1.Time{Time: created}
	want.Container = ""
	want.History = append(want.History,
		v1.History{Created: v1.Time{Time: created}, CreatedBy: "sparkwheel", Comment: "one.whl"},
		v1.History{Created: v1.Time{Time: created}, CreatedBy: "sparkwheel", Comment: "two.whl"})
	want.Config = v1.Config{
		Env:        []string{"PATH=/usr/local/cuda/bin:/usr/bin", "NVIDIA_REQUIRE_CUDA=cuda>=9.0", "A=2", "B=3"},
		WorkingDir: "/workspace", Entrypoint: []string{"vllm"},
		Labels: map[string]string{"maintainer": "NVIDIA", "org.opencontainers.image.version": "0.22.1"},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{string(m.MediaType), string(m.Config.MediaType)}
	for _, l := range m.Layers {
		got = append(got, string(l.MediaType)+" "+l.Annotations[layer.CommentAnnotation])
	}
	oci := string(types.OCILayer) + " "
	wantTypes := []string{string(types.OCIManifestSchema1), string(types.OCIConfigJSON), oci, oci, oci, oci + "one.whl", oci + "two.whl"}
	if diff := cmp.Diff(wantTypes, got); diff != "" {
		t.Errorf("media types (-want +got):\n%s", diff)
	}
}

// unreadable is an image whose layers fail to open.
type unreadable struct{ v1.Image }

type unreadableLayer struct{ v1.Layer }

var errRead = errors.New("a base layer was read")

func (u unreadable) Layers() ([]v1.Layer, error) {
	layers, err := u.Image.Layers()
	for i, l := range layers {
		layers[i] = unreadableLayer{l}
	}
	return layers, err
}

func (unreadableLayer) Compressed() (io.ReadCloser, error)   { return nil, errRead }
func (unreadableLayer) Uncompressed() (io.ReadCloser, error) { return nil, errRead }

func TestAppendReadsNoBaseLayer(t *testing.T) {
	t.Parallel()
	blob := write(t, fstest.MapFS{"a": {Data: []byte("a"), Mode: 0o644}}, layer.Options{})
	img, err := layer.Append(unreadable{dockerBase(t)}, layer.Config{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func() error{
		func() error { _, err := img.Digest(); return err },
		func() error { _, err := img.RawConfigFile(); return err },
		func() error { _, err := img.Layers(); return err },
		func() error { h, _ := blob.DiffID(); _, err := img.LayerByDiffID(h); return err },
	} {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
}

func TestAppendPadsHistory(t *testing.T) {
	t.Parallel()
	base := dockerBase(t)
	config, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.History = nil
	if base, err = mutate.ConfigFile(base, config); err != nil {
		t.Fatal(err)
	}
	blob := write(t, mapTree(map[string]string{"a": "a"}), layer.Options{Comment: "a.whl"})
	img, err := layer.Append(base, layer.Config{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	if config, err = img.ConfigFile(); err != nil {
		t.Fatal(err)
	}
	if len(config.History) != 4 || config.History[3].Comment != "a.whl" {
		t.Errorf("history is %v", config.History)
	}
}
