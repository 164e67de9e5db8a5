package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

type rule = registrytest.Rule

var (
	before        = registrytest.Before
	image         = registrytest.Image
	tag           = registrytest.Tag
	strict        = registrytest.InMemory
	inProcess     = registrytest.InProcess
	distribution  = registrytest.Distribution
	status        = registrytest.Status
	reset         = registrytest.Reset
	cutAnswer     = registrytest.CutAnswer
	stalledAnswer = registrytest.StalledAnswer
	silence       = registrytest.Silence
	answerWith    = registrytest.AnswerWith
	lost          = registrytest.Lost
	method        = registrytest.Method
	anything      = registrytest.Anything
	upload        = registrytest.Upload
	blob          = registrytest.Blob
)

func large(r *http.Request) bool { return r.Method == http.MethodPatch && r.ContentLength >= chunkSize }

var amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}

// wire has the product's policy, but waits for nothing.
func wire(opt transport.Options) *transport.Transport {
	if opt.Sleep == nil {
		opt.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	return transport.New(transport.Base(nil, nil), opt)
}

func client(opt registry.Options, how transport.Options) *registry.Client {
	opt.Transport = wire(how)
	return registry.New(opt)
}

// samePulled pulls ref and reads all of it, which checks every digest.
func samePulled(t *testing.T, ref name.Reference, want v1.Image) {
	t.Helper()
	got, err := client(registry.Options{}, transport.Options{}).Pull(t.Context(), ref, amd64)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := digestOf(t, got), digestOf(t, want); g != w {
		t.Fatalf("%s is %s, pushed was %s", ref, g, w)
	}
	layers, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i := range layers {
		readLayer(t, got, i)
	}
}

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func readLayer(t *testing.T, img v1.Image, i int) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	rc, err := layers[i].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := io.Copy(io.Discard, rc); err != nil {
		t.Error(err)
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func strike(match func(*http.Request) bool, do registrytest.Act) func() []*rule {
	return later(0, match, do)
}

func later(skip int, match func(*http.Request) bool, do registrytest.Act) func() []*rule {
	return func() []*rule { return []*rule{{Match: match, Skip: skip, Times: 1, Do: do}} }
}

func always(match func(*http.Request) bool, do registrytest.Act) func() []*rule {
	return func() []*rule { return []*rule{{Match: match, Times: -1, Do: do}} }
}

func one(match func(*http.Request) bool, code int, header ...string) func() []*rule {
	return strike(match, status(code, header...))
}

// burst strikes two requests of each kind.
func burst(code int) func() []*rule {
	return func() []*rule {
		var rules []*rule
		for _, m := range []string{"HEAD", "POST", "PATCH", "PUT", "GET"} {
			rules = append(rules, &rule{Match: method(m), Times: 2, Do: status(code)})
		}
		return rules
	}
}

func chunks(r *http.Request) bool {
	return r.Method == http.MethodPatch && r.Header.Get("Content-Range") != "" && !strings.HasPrefix(r.Header.Get("Content-Range"), "0-")
}

func tooLarge(r *http.Request) bool { return r.ContentLength > chunkSize }

func manifestPut(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

func manifestGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}

// slug makes a repository name of the test's.
func slug(t *testing.T) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), "-")
}

func imageBytes(t *testing.T, img v1.Image) int64 {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	n := m.Config.Size + 2*int64(len(raw))
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}
