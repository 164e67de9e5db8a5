package registry_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func readLayer(t *testing.T, img v1.Image) int64 {
	t.Helper()
	n, err := tryLayer(img)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tryLayer(img v1.Image) (int64, error) {
	layers, err := img.Layers()
	if err != nil {
		return 0, err
	}
	rc, err := layers[0].Compressed()
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	return io.Copy(io.Discard, rc)
}

// A registry that lies about content is found out, and by name.
func TestPullFindsLies(t *testing.T) {
	t.Parallel()
	upstream := inProcess(t)
	img := image(t, layerSize)
	if _, err := client(t, registry.Options{}).Push(t.Context(), tag(t, upstream+"/a/b:v1"), img, nil); err != nil {
		t.Fatal(err)
	}
	flipped := func(f *faults, w http.ResponseWriter, r *http.Request) {
		f.Forward(&flipper{ResponseWriter: w}, r)
	}
	longer := func(_ *faults, w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, layerSize*2)) }
	tests := []struct {
		name  string
		rules func() []*rule
		check func(error) bool
	}{
		{"another byte", func() []*rule { return []*rule{{Match: blob, Skip: 1, Times: -1, Do: flipped}} }, is[*registry.DigestError]},
		{"another length", func() []*rule { return []*rule{{Match: blob, Skip: 1, Times: -1, Do: longer}} }, is[*registry.SizeError]},
		{"416 for ever", func() []*rule { return []*rule{{Match: blob, Skip: 1, Times: -1, Do: status(416)}} }, is[*registry.StatusError]},
		{"404", func() []*rule { return []*rule{{Match: blob, Skip: 1, Times: -1, Do: status(404)}} }, is[*registry.StatusError]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, addr := before(t, upstream, tt.rules()...)
			got, err := client(t, registry.Options{}).Pull(t.Context(), tag(t, addr+"/a/b:v1"), amd64)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tryLayer(got); !tt.check(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	digest, err := name.NewDigest(upstream + "/a/b@" + digestOf(t, img).String())
	if err != nil {
		t.Fatal(err)
	}
	_, addr := before(t, upstream, &rule{Match: manifestGet, Times: -1, Do: flipped})
	moved, err := name.NewDigest(strings.Replace(digest.String(), upstream, addr, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, registry.Options{}).Pull(t.Context(), moved, amd64); !is[*registry.DigestError](err) {
		t.Errorf("a manifest of another digest gave %v", err)
	}
}

type flipper struct {
	http.ResponseWriter
	done bool
}

func (f *flipper) Write(p []byte) (int, error) {
	if !f.done && len(p) > 20 {
		f.done = true
		p = append([]byte(nil), p...)
		p[20] ^= 1
	}
	return f.ResponseWriter.Write(p)
}

// A mirror is asked first, for what it has; what it lacks comes from the origin.
func TestPullMirror(t *testing.T) {
	t.Parallel()
	origin, mirror := inProcess(t), inProcess(t)
	img := image(t, layerSize)
	for _, host := range []string{origin + "/a/b:v1", mirror + "/cache/a/b:v1"} {
		if _, err := client(t, registry.Options{}).Push(t.Context(), tag(t, host), img, nil); err != nil {
			t.Fatal(err)
		}
	}
	front, addr := before(t, mirror, &rule{Match: blob, Skip: 1, Times: -1, Do: status(404)})
	back, originAddr := before(t, origin)
	c := client(t, registry.Options{Mirrors: map[string]string{originAddr: "http://" + addr + "/cache"}})
	got, err := c.Pull(t.Context(), tag(t, originAddr+"/a/b:v1"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Seen()) != 0 {
		t.Errorf("the origin was asked for what the mirror has: %v", back.Seen())
	}
	readLayer(t, got)
	if len(front.Seen()) == 0 || len(back.Seen()) == 0 {
		t.Errorf("the mirror was asked %v, the origin %v", front.Seen(), back.Seen())
	}
}

func TestResolvePlatform(t *testing.T) {
	t.Parallel()
	host := inProcess(t)
	arm := v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	one, two := image(t, 10), image(t, 20)
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &amd64}},
		mutate.IndexAddendum{Add: two, Descriptor: v1.Descriptor{Platform: &arm}})
	ref := tag(t, host+"/a/b:v1")
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	c := client(t, registry.Options{})
	for _, p := range []v1.Platform{arm, {OS: "linux", Architecture: "arm64"}} {
		got, err := c.Resolve(t.Context(), ref, p)
		if err != nil {
			t.Fatal(err)
		}
		if want := digestOf(t, two).String(); got.DigestStr() != want {
			t.Errorf("%s: %s, want %s", p, got.DigestStr(), want)
		}
	}
	_, err := c.Resolve(t.Context(), ref, v1.Platform{OS: "linux", Architecture: "riscv64"})
	if !is[*registry.PlatformError](err) || !strings.Contains(err.Error(), "linux/arm64/v8") {
		t.Errorf("got %v, want a *PlatformError that lists what there is", err)
	}
}
