package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// erratic is a registry that answers as its script says, one byte a request,
// and by the rules once the script ends. It runs in the process: a transport
// that calls it.
type erratic struct {
	inner  *registrytest.Strict
	script []byte
	asked  int
	sent   int64 // bytes of bodies that were read
}

// mostAsked is more than any push of the model's image needs: a client that
// comes so far goes round in circles.
const mostAsked = 400

var errCircles = errors.New("it asks for ever")

func (e *erratic) RoundTrip(r *http.Request) (*http.Response, error) {
	if e.asked++; e.asked > mostAsked {
		return nil, errCircles
	}
	do := byte(0)
	if len(e.script) > 0 {
		do, e.script = e.script[0], e.script[1:]
	}
	if r.Body != nil {
		defer r.Body.Close()
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	switch kind := do % 16; kind {
	case 1: // the answer is lost
		e.serve(w, r)
		return nil, io.ErrUnexpectedEOF
	case 2: // the request is lost, half of its body with it
		if r.ContentLength > 0 {
			n, _ := io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			e.sent += n
		}
		return nil, io.ErrUnexpectedEOF
	case 3: // half of the body is stored
		if r.ContentLength > 0 {
			r.Body = io.NopCloser(io.LimitReader(r.Body, r.ContentLength/2))
		}
		e.serve(w, r)
		return nil, io.ErrUnexpectedEOF
	case 4: // refused, as statuses go
		codes := []int{400, 401, 403, 404, 405, 408, 410, 413, 416, 422, 429, 500, 501, 502, 503, 507}
		w.status = codes[int(do/16)]
	case 5: // done, and told as another status
		e.serve(w, r)
		w.status = []int{200, 201, 202, 204, 400, 404, 416, 500}[int(do/16)%8]
	case 6: // another Range
		e.serve(w, r)
		w.header.Set("Range", []string{"0-0", "0-9", "5-9", "0-99999999", "9-5", "0--1", "x", ""}[int(do/16)%8])
	case 7: // another Location
		e.serve(w, r)
		w.header.Set("Location", []string{"/v2/a/b/blobs/uploads/1", "?x=1", "http://elsewhere.example/u", "ftp://x/", "http://[", "", "/", "//h/x"}[int(do/16)%8])
	case 8: // Content-Range does not count
		r.Header.Del("Content-Range")
		e.serve(w, r)
	case 9: // a chunk counts as taken and is not stored
		if r.Method == http.MethodPatch {
			n, _ := io.Copy(io.Discard, r.Body)
			e.sent += n
			w.header.Set("Location", r.URL.Path)
			w.status = http.StatusAccepted
			break
		}
		e.serve(w, r)
	case 10: // a minimum that is too much
		e.serve(w, r)
		w.header.Set("OCI-Chunk-Min-Length", fmt.Sprint(int(do/16)<<20))
	case 11: // another digest stored
		e.serve(w, r)
		w.header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	case 12: // an answer that breaks off
		e.serve(w, r)
		w.body = w.body[:len(w.body)/2]
		return w.response(r, io.ErrUnexpectedEOF), nil
	default:
		e.serve(w, r)
	}
	return w.response(r, io.EOF), nil
}

func (e *erratic) serve(w *answer, r *http.Request) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Body = &readCount{r.Body, &e.sent}
	if !strings.HasPrefix(r.URL.Path, "/v2/a/b/") { // where a Location led
		w.status = http.StatusNotFound
		return
	}
	e.inner.ServeHTTP(w, r)
}

type readCount struct {
	io.ReadCloser
	n *int64
}

func (c *readCount) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	*c.n += int64(n)
	return n, err
}

type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(code int)        { a.status = code }
func (a *answer) Write(p []byte) (int, error) { a.body = append(a.body, p...); return len(p), nil }

// response ends with end.
func (a *answer) response(r *http.Request, end error) *http.Response {
	size := int64(len(a.body))
	if r.Method == http.MethodHead {
		fmt.Sscan(a.header.Get("Content-Length"), &size)
		a.body = nil
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Request: r,
		ContentLength: size, Body: io.NopCloser(io.MultiReader(strings.NewReader(string(a.body)), ending{end})),
	}
}

type ending struct{ err error }

func (e ending) Read([]byte) (int, error) { return 0, e.err }

// Whatever a registry answers, in whatever order, a push ends; no blob is sent
// more than twice; success means that the image is there, whole.
func FuzzRegistryAnswers(f *testing.F) {
	for _, s := range []string{"", "\x00\x00\x01", "\x00\x00\x00\x02", "\x00\x00\x03\x00\x03", "\x00\x00\x64", "\x00\x00\x00\x06\x06\x06", "\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x09\x00", "\x00\x00\x00\x01\x08\x08", "\x34\x34\x34\x34\x34\x34"} {
		f.Add([]byte(s))
	}
	img := registrytest.Image(f, modelLayer)
	digest, err := img.Digest()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 64 {
			return
		}
		e := &erratic{inner: registrytest.NewStrict(), script: script}
		var faults int
		noon := func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
		c := registry.New(registry.Options{Transport: e, Chunk: modelLayer / 8, Jobs: 1, Now: noon})
		got, err := c.Push(t.Context(), registrytest.Tag(t, "registry.example/a/b:v1"), img, func(p registry.BlobProgress) {
			if p.Done < 0 || p.Done > p.Total {
				t.Errorf("%d bytes of %d are done", p.Done, p.Total)
			}
			if p.Fault != nil {
				faults++
			}
		})
		if errors.Is(err, errCircles) || e.asked > mostAsked {
			t.Errorf("it asked %d times: %v", e.asked, err)
		}
		// The layer, the configuration, the manifest twice.
		if limit := int64(2*modelLayer + 1<<20 + 64<<10); got.BytesSent > limit || e.sent > got.BytesSent {
			t.Errorf("sent %d bytes, received %d; at most %d were needed", got.BytesSent, e.sent, limit)
		}
		if err != nil {
			return
		}
		holds(t, e, digest, img, script)
	})
}

const modelLayer = layerSize

// holds pulls what was pushed, from the registry by its rules.
func holds(t *testing.T, e *erratic, digest v1.Hash, img v1.Image, script []byte) {
	t.Helper()
	e.script, e.asked = nil, 0
	c := registry.New(registry.Options{Transport: e})
	pulled, err := c.Pull(t.Context(), registrytest.Tag(t, "registry.example/a/b:v1"), amd64)
	if err != nil {
		if lied(script) {
			return
		}
		t.Fatalf("pushed, and then: %v", err)
	}
	if got, err := pulled.Digest(); err != nil || got != digest {
		t.Errorf("pulled %s, %v; pushed %s", got, err, digest)
	}
	if _, err := tryLayer(pulled); err != nil && !lied(script) {
		t.Errorf("pushed, and then: %v", err)
	}
}

// lied is whether a registry said of something that is not there that it is:
// nobody can know better than by reading it back.
func lied(script []byte) bool {
	for _, b := range script {
		if b%16 == 5 {
			return true
		}
	}
	return false
}
