package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

const (
	refName = "org.opencontainers.image.ref.name"
	helm    = "application/vnd.cncf.helm.config.v1+json"
)

// entry is the image's entry in index.json, under tag; "" for none, as skopeo's
// oci:DIR and crane's pull --format=oci write it.
func entry(t *testing.T, dir string, img v1.Image, tag string) v1.Descriptor {
	t.Helper()
	write(t, dir, "x", img)
	d, err := layout.Descriptor(img, tag)
	if err != nil {
		t.Fatal(err)
	}
	if tag == "" {
		delete(d.Annotations, refName)
	}
	return d
}

// document puts a manifest into the layout.
func document(t *testing.T, dir string, m v1.Manifest) v1.Descriptor {
	t.Helper()
	m.SchemaVersion = 2
	m.MediaType = types.OCIManifestSchema1
	src, err := json.Marshal(m)
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
	return v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: h, Size: size}
}

func TestReadFindsTheImage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two := randomImage(t), randomImage(t)
	a, b := entry(t, dir, one, ""), entry(t, dir, two, "")
	write(t, dir, "kept", one) // their blobs
	write(t, dir, "kept two", two)
	tagged := func(d v1.Descriptor, tag string) v1.Descriptor {
		d.Annotations = map[string]string{refName: tag}
		return d
	}
	signature := document(t, dir, v1.Manifest{Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: a.Digest}, Subject: &a})
	chart := document(t, dir, v1.Manifest{Config: v1.Descriptor{MediaType: helm, Digest: a.Digest}})
	schema1 := v1.Descriptor{MediaType: types.DockerManifestSchema1Signed, Digest: a.Digest, Size: 2}
	for name, test := range map[string]struct {
		entries []v1.Descriptor
		tag     string
		want    v1.Hash
		err     string
	}{
		"the only one without a tag":      {[]v1.Descriptor{a}, "", a.Digest, ""},
		"the only one with a tag":         {[]v1.Descriptor{tagged(a, "v1")}, "", a.Digest, ""},
		"by its tag":                      {[]v1.Descriptor{b, tagged(a, "v1")}, "v1", a.Digest, ""},
		"by its digest":                   {[]v1.Descriptor{b, a}, a.Digest.String(), a.Digest, ""},
		"latest of several":               {[]v1.Descriptor{tagged(b, "v1"), tagged(a, "latest")}, "", a.Digest, ""},
		"one under several tags":          {[]v1.Descriptor{tagged(a, "v1"), tagged(a, "v2"), a}, "", a.Digest, ""},
		"beside its signature":            {[]v1.Descriptor{signature, a}, "", a.Digest, ""},
		"beside a chart":                  {[]v1.Descriptor{tagged(a, "v1"), tagged(chart, "chart")}, "", a.Digest, ""},
		"beside a schema 1 manifest":      {[]v1.Descriptor{schema1, a}, "", a.Digest, ""},
		"none":                            {nil, "", v1.Hash{}, "has no image"},
		"none of that tag at all":         {nil, "v1", v1.Hash{}, "has no image"},
		"several without a tag":           {[]v1.Descriptor{a, b}, "", v1.Hash{}, "has 2 images; choose from " + a.Digest.String() + ", " + b.Digest.String()},
		"several of two kinds":            {[]v1.Descriptor{a, tagged(b, "v1")}, "", v1.Hash{}, "has 2 images; choose from " + a.Digest.String() + ", v1"},
		"another tag":                     {[]v1.Descriptor{tagged(a, "v1"), b}, "v2", v1.Hash{}, "has no tag v2; it has v1, " + b.Digest.String()},
		"latest of one without":           {[]v1.Descriptor{a}, "latest", v1.Hash{}, "has no tag latest; it has " + a.Digest.String()},
		"schema 1 alone":                  {[]v1.Descriptor{schema1}, "", v1.Hash{}, "prettyjws\": Docker's schema 1 is not supported"},
		"schema 1 by its tag":             {[]v1.Descriptor{tagged(schema1, "v1"), a}, "v1", v1.Hash{}, "Docker's schema 1"},
		"schema 1 as latest":              {[]v1.Descriptor{a, tagged(schema1, "latest")}, "", v1.Hash{}, "Docker's schema 1"},
		"a chart alone":                   {[]v1.Descriptor{chart}, "", v1.Hash{}, helm + "\": this is an artifact, not an image"},
		"a chart by its tag":              {[]v1.Descriptor{tagged(chart, "chart"), a}, "chart", v1.Hash{}, helm},
		"a type that nobody knows":        {[]v1.Descriptor{{MediaType: "a/b", Digest: a.Digest}}, "", v1.Hash{}, `media type "a/b": it is neither`},
		"no type":                         {[]v1.Descriptor{{Digest: a.Digest}}, "", v1.Hash{}, `media type "": it is neither`},
		"a damaged one beside a good one": {[]v1.Descriptor{a, {MediaType: types.OCIManifestSchema1, Digest: b.Digest, Size: 1}}, "", v1.Hash{}, "has 2 images"},
	} {
		putEntries(t, dir, test.entries...)
		img, err := layout.Read(dir, test.tag, v1.Platform{})
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, not %q", name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, _ := img.Digest(); got != test.want {
			t.Errorf("%s: %s, not %s", name, got, test.want)
		}
	}
}

func TestReadRefusesLayersOfOtherTypes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t)
	write(t, dir, "", img)
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for media, want := range map[types.MediaType]string{
		types.OCILayer: "", types.OCILayerZStd: "", types.OCIUncompressedLayer: "",
		types.DockerLayer: "", types.DockerUncompressedLayer: "", "application/vnd.docker.image.rootfs.diff.tar.zstd": "",
		types.DockerForeignLayer:             "the image does not have this layer",
		types.OCIRestrictedLayer:             "the image does not have this layer",
		types.OCIUncompressedRestrictedLayer: "the image does not have this layer",
		types.OCILayer + "+encrypted":        "an encrypted layer cannot be read",
		"application/vnd.in-toto+json":       "a layer is a tar",
		"":                                   "a layer is a tar",
	} {
		m := *manifest
		m.Layers = slices.Clone(m.Layers)
		m.Layers[1].MediaType = media
		d := document(t, dir, m)
		putEntries(t, dir, d)
		_, err := layout.Read(dir, "", v1.Platform{})
		if want == "" && err != nil {
			t.Errorf("%s: %v", media, err)
		}
		if want == "" {
			continue
		}
		if typeErr, ok := errors.AsType[*layer.TypeError](err); !ok || typeErr.MediaType != media || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", media, err, want)
		}
	}
}

// TestReadOpensNoFIFO: opening one would wait for a writer for ever.
func TestReadOpensNoFIFO(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t)
	write(t, dir, "", img)
	manifest, _ := img.Digest()
	for _, name := range []string{"blobs/sha256/" + manifest.Hex, "index.json"} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := layout.Read(dir, "", v1.Platform{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s is a FIFO: %v", name, err)
		}
	}
}
