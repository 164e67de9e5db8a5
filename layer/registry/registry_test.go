package registry_test

import (
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

var servers = map[string]func(testing.TB) string{"in-process": inProcess, "docker-registry": distribution}

// gzipped is an image that validate takes.
func gzipped(t *testing.T, sizes ...int64) v1.Image {
	t.Helper()
	img := empty.Image
	for _, n := range sizes {
		l, err := random.Layer(n, types.DockerLayer)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

func client(t *testing.T, opt registry.Options) *registry.Client {
	t.Helper()
	return registry.New(opt)
}

var amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// samePulled pulls ref and reads all of it, which checks every digest.
func samePulled(t *testing.T, ref name.Reference, want v1.Image) {
	t.Helper()
	got, err := client(t, registry.Options{}).Pull(t.Context(), ref, amd64)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := digestOf(t, got), digestOf(t, want); g != w {
		t.Fatalf("%s is %s, pushed was %s", ref, g, w)
	}
	pulled, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range pulled {
		rc, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Error(err)
		}
		rc.Close()
	}
}

func TestPushPull(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			host := start(t)
			img := gzipped(t, 100, 2<<20, 3<<20)
			to := tag(t, host+"/team/app:v1")
			c := client(t, registry.Options{Chunk: 1 << 20})
			got, err := c.Push(t.Context(), to, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := digestOf(t, img).String(); got.Digest.DigestStr() != want {
				t.Errorf("pushed %s, want %s", got.Digest, want)
			}
			for _, b := range got.Blobs {
				if b.How != registry.Sent {
					t.Errorf("%s was %s, want %s", b.Digest, b.How, registry.Sent)
				}
			}
			samePulled(t, to, img)
			pulled, err := c.Pull(t.Context(), to, amd64)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(pulled); err != nil {
				t.Error(err)
			}
			resolved, err := c.Resolve(t.Context(), to, amd64)
			if err != nil {
				t.Fatal(err)
			}
			if resolved != got.Digest {
				t.Errorf("resolved %s, want %s", resolved, got.Digest)
			}
			again, err := c.Push(t.Context(), to, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			if raw, _ := img.RawManifest(); again.BytesSent != int64(2*len(raw)) {
				t.Errorf("the second push sent %d bytes, want the manifest twice: %d", again.BytesSent, 2*len(raw))
			}
		})
	}
}

// The base's layers come from one registry, ours from disk; then a second
// repository beside the first gets the same image by mounting.
func TestPushStreamsAndMounts(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			source, target := inProcess(t), start(t)
			base := image(t, 2<<20, 1<<20)
			from := tag(t, source+"/cuda/base:1")
			if _, err := client(t, registry.Options{}).Push(t.Context(), from, base, nil); err != nil {
				t.Fatal(err)
			}
			c := client(t, registry.Options{Chunk: 1 << 20})
			pulled, err := c.Pull(t.Context(), from, amd64)
			if err != nil {
				t.Fatal(err)
			}
			l, err := random.Layer(1<<20, types.DockerLayer)
			if err != nil {
				t.Fatal(err)
			}
			img, err := mutate.AppendLayers(pulled, l)
			if err != nil {
				t.Fatal(err)
			}
			one := tag(t, target+"/team/app:1")
			if _, err := c.Push(t.Context(), one, img, nil); err != nil {
				t.Fatal(err)
			}
			samePulled(t, one, img)

			other := client(t, registry.Options{})
			again, err := other.Pull(t.Context(), one, amd64)
			if err != nil {
				t.Fatal(err)
			}
			two := tag(t, target+"/another/app:1")
			got, err := other.Push(t.Context(), two, again, nil)
			if err != nil {
				t.Fatal(err)
			}
			if kind == "docker-registry" {
				for _, b := range got.Blobs[:len(got.Blobs)-1] {
					if b.How != registry.Mounted {
						t.Errorf("%s was %s, want %s", b.Digest, b.How, registry.Mounted)
					}
				}
			}
			samePulled(t, two, img)
		})
	}
}
