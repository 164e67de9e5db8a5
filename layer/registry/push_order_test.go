package registry_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// The largest layer goes first; the manifest follows the last blob, is read
// back, and only then the tag moves.
func TestPushOrder(t *testing.T) {
	t.Parallel()
	f, addr := before(t, strict(t))
	img := image(t, 1000, 3000, 10, 2000)
	if _, err := client(t, registry.Options{Jobs: 1}).Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil); err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	blobs := append(m.Layers, m.Config)
	for _, i := range []int{1, 3, 0, 4, 2} { // the configuration is larger than ten bytes
		want = append(want, "HEAD /v2/a/b/blobs/"+blobs[i].Digest.String())
	}
	digest := digestOf(t, img).String()
	for _, id := range []string{digest, "v1"} {
		want = append(want, "PUT /v2/a/b/manifests/"+id, "GET /v2/a/b/manifests/"+id)
	}
	var got []string
	for line := range strings.Lines(f.Requests()) {
		if line = strings.TrimSpace(line); !strings.Contains(line, "/uploads/") {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if i := slices.IndexFunc(f.Seen(), func(s string) bool { return strings.Contains(s, "/manifests/") }); strings.Contains(strings.Join(f.Seen()[i:], "\n"), "/blobs/") {
		t.Errorf("a blob came after a manifest:\n%s", f.Requests())
	}
}

// A base whose layers the target has is not read from where it comes from.
func TestPushReadsOnlyWhatLacks(t *testing.T) {
	t.Parallel()
	source, target := inProcess(t), inProcess(t)
	base := image(t, 3<<20, 1000)
	for _, host := range []string{source, target} {
		if _, err := client(t, registry.Options{}).Push(t.Context(), tag(t, host+"/cuda/base:1"), base, nil); err != nil {
			t.Fatal(err)
		}
	}
	f, addr := before(t, source)
	c := client(t, registry.Options{})
	pulled, err := c.Pull(t.Context(), tag(t, addr+"/cuda/base:1"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(pulled, fixedLayer(1000))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Push(t.Context(), tag(t, target+"/cuda/base:2"), img, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{registry.Present, registry.Present, registry.Sent, registry.Sent} {
		if got.Blobs[i].How != want {
			t.Errorf("blob %d was %s, want %s", i, got.Blobs[i].How, want)
		}
	}
	m, err := base.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		if strings.Contains(f.Requests(), http.MethodGet+" /v2/cuda/base/blobs/"+l.Digest.String()) {
			t.Errorf("layer %s was read, and the target has it:\n%s", l.Digest, f.Requests())
		}
	}
}
