package registry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

func TestServer(t *testing.T) {
	t.Parallel()
	img := gzipped(t, 100, 1<<20)
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "v2"})); err != nil {
		t.Fatal(err)
	}
	s := registry.NewServer()
	if err := s.AddImage("team/streams", "v1", img); err != nil {
		t.Fatal(err)
	}
	tags, err := s.AddLayout("team/files", dir)
	if err != nil {
		t.Fatal(err)
	}
	if tags["v2"] != digestOf(t, img) {
		t.Errorf("the layout's tags are %v, want v2 at %s", tags, digestOf(t, img))
	}
	host := serve(t, s)
	for _, ref := range []string{host + "/team/streams:v1", host + "/team/files:v2"} {
		samePulled(t, tag(t, ref), img)
		got, err := remote.Image(tag(t, ref))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(got); err != nil {
			t.Error(err)
		}
	}
}

// What a layout holds beside an image is served as attached to it.
func TestServerReferrers(t *testing.T) {
	t.Parallel()
	img := image(t, 100)
	size, err := img.Size()
	if err != nil {
		t.Fatal(err)
	}
	media, err := img.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	note, ok := mutate.Subject(image(t, 10), v1.Descriptor{MediaType: media, Size: size, Digest: digestOf(t, img)}).(v1.Image)
	if !ok {
		t.Fatal("an image with a subject is none")
	}
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []v1.Image{img, note} {
		if err := p.AppendImage(i); err != nil {
			t.Fatal(err)
		}
	}
	s := registry.NewServer()
	if _, err := s.AddLayout("team/app", dir); err != nil {
		t.Fatal(err)
	}
	subject := tag(t, serve(t, s)+"/team/app:v1").Digest(digestOf(t, img).String())
	for artifactType, want := range map[string]int{"": 1, "application/vnd.docker.container.image.v1+json": 1, "text/other": 0} {
		got, err := client(t, registry.Options{}).Referrers(t.Context(), subject, artifactType)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != want || want == 1 && got[0].Digest != digestOf(t, note) {
			t.Errorf("of type %q there are %v, want %d", artifactType, got, want)
		}
	}
}

// One blob, served from a file and from a stream, must answer ranges alike.
func TestServerRanges(t *testing.T) {
	t.Parallel()
	img := image(t, 1000)
	dir := t.TempDir()
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	s := registry.NewServer()
	if err := s.AddImage("streams", "v1", img); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddLayout("files", dir); err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	layer := m.Layers[0]
	type answer struct {
		Status        int
		Range, Length string
		Body          string
	}
	ask := func(repo, rng string) answer {
		req := httptest.NewRequest(http.MethodGet, "/v2/"+repo+"/blobs/"+layer.Digest.String(), nil)
		if rng != "" {
			req.Header.Set("Range", rng)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		body, _ := io.ReadAll(w.Body)
		a := answer{w.Code, w.Header().Get("Content-Range"), w.Header().Get("Content-Length"), string(body)}
		if w.Code >= 400 {
			a.Body, a.Length = "", ""
		}
		return a
	}
	for _, rng := range []string{"", "bytes=0-", "bytes=0-0", "bytes=5-9", "bytes=500-", "bytes=500-99999", "bytes=99999-"} {
		if diff := cmp.Diff(ask("files", rng), ask("streams", rng)); diff != "" {
			t.Errorf("%q: -file +stream\n%s", rng, diff)
		}
	}
	if got := ask("files", "bytes=5-9"); got.Status != http.StatusPartialContent || len(got.Body) != 5 {
		t.Errorf("five bytes asked, got %d of status %d", len(got.Body), got.Status)
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	s := registry.NewServer()
	if err := s.AddImage("a/b", "v1", image(t, 10)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/v2/", 200},
		{"GET", "/v2", 200},
		{"HEAD", "/v2/a/b/manifests/v1", 200},
		{"GET", "/v2/a/b/manifests/v2", 404},
		{"GET", "/v2/a/c/manifests/v1", 404},
		{"GET", "/v2/a/b/blobs/sha256:00", 404},
		{"GET", "/v2/a/b/tags/list", 200},
		{"GET", "/v2/a/b/referrers/v1", 400},
		{"GET", "/v2/a", 404},
		{"GET", "/v2/a/b/", 404},
		{"GET", "/v2/../../etc/passwd", 404},
		{"GET", "/", 404},
		{"POST", "/v2/a/b/blobs/uploads/", 405},
		{"PUT", "/v2/a/b/manifests/v1", 405},
		{"DELETE", "/v2/a/b/manifests/v1", 405},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}
