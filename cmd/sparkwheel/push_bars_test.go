package main

import (
	"errors"
	"net/http"
	"os"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// recorded is a display that keeps what it is told.
type recorded []string

func (r *recorded) Report(e stage.Event) {
	*r = append(*r, string(e.Kind)+" "+e.Stage+" "+e.Text)
}

func (r *recorded) Close() error { return nil }

// Each blob goes by what is in it, and tells why it waits and how it came there.
func TestPushBars(t *testing.T) {
	t.Parallel()
	var blobs []*layer.Blob
	for _, comment := range []string{"", "vllm-0.22.1-py3-none-any.whl", "torch-2.11.0-cp312-cp312-linux_aarch64.whl triton-3.6.0-cp312-cp312-linux_aarch64.whl"} {
		tree := fstest.MapFS{"opt/of": {Data: []byte(comment), Mode: 0o644}, "opt": {Mode: os.ModeDir | 0o755}}
		blob, err := layer.Write(t.Context(), t.TempDir(), tree, layer.Options{Comment: comment})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blobs...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var got recorded
	bars := newPushBars(&got)
	if bars.names, err = blobNames(img); err != nil {
		t.Fatal(err)
	}
	var want recorded
	for i, what := range []string{"layer", "vllm-0.22.1", "torch-2.11.0 +1"} {
		d := m.Layers[i].Digest
		bars.blob(registry.BlobProgress{Digest: d, Total: 9})
		bars.blob(registry.BlobProgress{Digest: d, Total: 9, Fault: errors.New("503")})
		bars.blob(registry.BlobProgress{Digest: d, Done: 9, Total: 9, How: registry.Mounted})
		name := what + " " + d.Hex[:12]
		want = append(want, "start "+name+" ", "progress "+name+" ", "note "+name+" 503; trying again", "note "+name+" mounted at the registry", "done "+name+" ")
	}
	bars.blob(registry.BlobProgress{Digest: m.Config.Digest, Done: 5, Total: 5, How: registry.Sent})
	name := "config " + m.Config.Digest.Hex[:12]
	want = append(want, "start "+name+" ", "progress "+name+" ", "done "+name+" ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What ends a push names the wheel in the blob, in the registry's own words.
func TestPushNamesTheWheel(t *testing.T) {
	t.Parallel()
	strict := registrytest.NewStrict()
	addr := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<10 {
			http.Error(w, "too large for this plan", http.StatusRequestEntityTooLarge)
			return
		}
		strict.ServeHTTP(w, r)
	}))
	tree := fstest.MapFS{"opt": {Mode: os.ModeDir | 0o755}, "opt/of": {Data: make([]byte, 10<<20), Mode: 0o644}}
	blob, err := layer.Write(t.Context(), t.TempDir(), tree, layer.Options{Comment: "vllm-0.22.1-py3-none-any.whl"})
	if err != nil {
		t.Fatal(err)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	var shown recorded
	_, err = newPushBars(&shown).push(t.Context(), registry.New(registry.Options{}), registrytest.Tag(t, addr+"/a/b:v1"), img)
	want := regexp.MustCompile(`^vllm-0\.22\.1 [0-9a-f]{12}: pushing .* 413 Request Entity Too Large: too large for this plan$`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Errorf("got %v, want %s", err, want)
	}
}
