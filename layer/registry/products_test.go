package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// product is what one product does, before a registry that keeps the rules.
type product struct {
	name string
	from string // a public report of it
	act  func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request)
	// size is that of the layer, chunk that of a request at first.
	size, chunk int64
	// resent is what may be sent beyond the image.
	resent int64
	cut    bool     // the answer to the third chunk is lost
	err    string   // in the error; "" is success
	seen   []string // in what was asked, if anything
}

const mib = 1 << 20

func patch(r *http.Request) bool { return r.Method == http.MethodPatch }

// width is how many bytes a request's Content-Range is of; 0 without one.
func width(r *http.Request) (n int64) {
	var from, to int64
	if c, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "%d-%d", &from, &to); c == 2 {
		n = to - from + 1
	}
	return n
}

// ranged changes the Range of the answers to chunks and status questions.
func ranged(change func(r *http.Request, h string) string) func(*registrytest.Strict, http.ResponseWriter, *http.Request) {
	return func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(&registrytest.Changed{ResponseWriter: w, Change: func(h http.Header) {
			if h.Get("Range") != "" && r.Method != http.MethodPost {
				h.Set("Range", change(r, h.Get("Range")))
			}
		}}, r)
	}
}

func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	io.WriteString(w, text)
}

func products() []product {
	firstChunk := ranged(func(*http.Request, string) string { return fmt.Sprintf("0-%d", mib-1) })
	denied := func(match func(*http.Request) bool, code int, text string, header ...string) func(*registrytest.Strict, http.ResponseWriter, *http.Request) {
		return func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
			if !match(r) {
				s.ServeHTTP(w, r)
				return
			}
			io.Copy(io.Discard, r.Body)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			refuse(w, code, text)
		}
	}
	larger := func(n int64) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.ContentLength > n && upload(r) }
	}
	return []product{
		{name: "Amazon ECR: Range stays at the first chunk", from: "aws/containers-roadmap#2831", act: firstChunk, size: 5 * mib, chunk: mib},
		{name: "Amazon ECR, an answer lost", from: "aws/containers-roadmap#2831", act: firstChunk, size: 5 * mib, chunk: mib, cut: true, resent: 4 * mib},
		{
			name: "Amazon ECR, an answer lost, and chunks taken as they come", size: 5 * mib, chunk: mib, cut: true, resent: 4 * mib,
			act: func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Content-Range")
				firstChunk(s, w, r)
			},
		},
		{
			name: "GHCR: 416 on a Content-Range above 4 MiB", from: "ocx-sh/ocx#237", size: 11 * mib, chunk: 8 * mib, resent: 8 * mib,
			act:  denied(func(r *http.Request) bool { return width(r) > 4*mib }, 416, `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`),
			seen: []string{" 0-4194303", " 4194304-8388607", " 8388608-11534335"},
		},
		{
			name: "GHCR, an answer lost: it goes on", from: "ocx-sh/ocx#237", size: 11 * mib, chunk: 8 * mib, resent: 8 * mib, cut: true,
			act: denied(func(r *http.Request) bool { return width(r) > 4*mib }, 416, `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`),
		},
		{
			name: "Docker Hub: 400 on one large PUT", from: "atlanhq/application-sdk#2020", size: 3 * mib, chunk: mib,
			act: denied(func(r *http.Request) bool { return r.Method == http.MethodPut && r.ContentLength > 2*mib && upload(r) }, 400, `{}`),
		},
		{
			name: "Docker Hub: quota", size: 3 * mib, chunk: mib,
			act: denied(patch, 429, `{"errors":[{"code":"TOOMANYREQUESTS","message":"you have reached your upload limit"}]}`, "Retry-After", "86400"),
			err: "429 Too Many Requests: TOOMANYREQUESTS: you have reached your upload limit (Retry-After: 86400)", resent: 3 * mib,
		},
		{
			name: "Aliyun: Range is that of this chunk", from: "regclient/regclient#627", size: 5 * mib, chunk: mib,
			act: ranged(func(r *http.Request, h string) string {
				if c := r.Header.Get("Content-Range"); c != "" {
					return c
				}
				return h
			}),
		},
		{
			name: "Range with an end that is not included", size: 5 * mib, chunk: mib,
			act: ranged(func(_ *http.Request, h string) string {
				var n int
				fmt.Sscanf(h, "0-%d", &n)
				return fmt.Sprintf("0-%d", n+1)
			}),
		},
		{
			name: "appends whatever Content-Range says, and has no status", size: 3 * mib, chunk: mib, cut: true, resent: 4 * mib,
			act: func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && upload(r) {
					w.WriteHeader(http.StatusMethodNotAllowed)
					return
				}
				r.Header.Del("Content-Range")
				s.ServeHTTP(w, r)
			},
		},
		{
			name: "keeps the first chunk alone, but streams", size: 3 * mib, chunk: mib, resent: 3 * mib,
			act: func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
				if !patch(r) || width(r) == 0 || strings.HasPrefix(r.Header.Get("Content-Range"), "0-") {
					s.ServeHTTP(w, r)
					return
				}
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", r.URL.Path)
				w.Header().Set("Range", "0-"+r.Header.Get("Content-Range")[strings.IndexByte(r.Header.Get("Content-Range"), '-')+1:])
				w.WriteHeader(http.StatusAccepted)
			},
		},
		{
			name: "Harbor: project quota", size: 3 * mib, chunk: mib, resent: mib,
			act: denied(patch, 403, `{"errors":[{"code":"DENIED","message":"adding 3.0 MiB of storage resource will exceed the configured upper limit of 1.0 GiB"}]}`),
			err: "403 Forbidden: DENIED: adding 3.0 MiB of storage resource will exceed the configured upper limit of 1.0 GiB",
		},
		{
			name: "nginx before it: 413 above 1 MiB", size: 5 * mib, chunk: 4 * mib, resent: 4 * mib,
			act: denied(larger(mib), 413, `<html><head><title>413 Request Entity Too Large</title></head></html>`),
		},
		{
			name: "413 to whatever there is", from: "flashinfer-ai/flashinfer#4519", size: 3 * mib, chunk: 2 * mib, resent: 3 * mib,
			act: denied(larger(1000), 413, `{"message":"file exceeds the limit of 2 GB"}`),
			err: "413 Request Entity Too Large: file exceeds the limit of 2 GB",
		},
		{
			name: "500 for ever, with a request id", size: 5 * mib, chunk: 5 * mib, resent: 6 * mib,
			act: denied(patch, 500, `{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":"storage: EIO"}]}`, "X-Amzn-Requestid", "7d1f-22"),
			err: "500 Internal Server Error: UNKNOWN: unknown error: storage: EIO (request id 7d1f-22)",
		},
		{
			name: "a session that lasts one chunk", size: 5 * mib, chunk: mib, resent: 6 * mib, err: "not sending it a third time",
			act: func(s *registrytest.Strict, w http.ResponseWriter, r *http.Request) {
				if patch(r) && r.Header.Get("Content-Range") != "" && !strings.HasPrefix(r.Header.Get("Content-Range"), "0-") {
					io.Copy(io.Discard, r.Body)
					refuse(w, 404, `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}`)
					return
				}
				s.ServeHTTP(w, r)
			},
		},
	}
}

func upload(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }

// What products make of the specification costs at most a second sending, and
// what ends a push is told in their words, with the blob.
func TestProducts(t *testing.T) {
	t.Parallel()
	for _, p := range products() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.NewStrict()
			host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.act(s, w, r) }))
			var rules []*rule
			if p.cut {
				rules = append(rules, &rule{Match: patch, Skip: 2, Times: 1, Do: registrytest.Lost})
			}
			f, addr := before(t, host, rules...)
			img := image(t, p.size)
			got, err := registry.New(registry.Options{Chunk: p.chunk, Jobs: 1}).Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil)
			if p.err == "" && err != nil || p.err != "" && (err == nil || !strings.Contains(err.Error(), p.err)) {
				t.Errorf("got %v, want %q", err, p.err)
			}
			if blob, ok := errors.AsType[*registry.BlobError](err); err != nil && (!ok || blob.Size != p.size) {
				t.Errorf("got %v, want the blob's name", err)
			}
			limit := imageBytes(t, img) + p.resent + 64<<10
			if got.BytesSent > limit || got.BytesSent > 2*p.size+mib+64<<10 {
				t.Errorf("sent %d bytes of %d, at most %d were needed; it asked\n%s", got.BytesSent, imageBytes(t, img), limit, f.Requests())
			}
			for _, want := range p.seen {
				if !strings.Contains(f.Requests(), want) {
					t.Errorf("it did not ask%s:\n%s", want, f.Requests())
				}
			}
		})
	}
}

// Harbor answers 401 to a mount from a project that one may not read, or its
// token server refuses to name it: the bytes go instead, and the next blobs
// are not asked for there.
func TestProductsHarborMount(t *testing.T) {
	t.Parallel()
	for name, refuseToken := range map[string]bool{"the registry": false, "the token server": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.NewStrict()
			var mu sync.Mutex
			uses := map[string]int{} // each token is good for three requests
			spent := func(r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				uses[r.Header.Get("Authorization")]++
				return uses[r.Header.Get("Authorization")] > 3
			}
			var tokens atomic.Int32
			f, addr := before(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				private := len(r.URL.Query()["scope"]) > 1 // one more to mount from
				switch {
				case r.URL.Path == "/token" && private && refuseToken:
					w.WriteHeader(http.StatusForbidden)
				case r.URL.Path == "/token":
					fmt.Fprintf(w, `{"token":"t%d"}`, tokens.Add(1))
				case r.Header.Get("Authorization") == "" || spent(r) || r.URL.Query().Get("mount") != "":
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="harbor"`, r.Host))
					w.WriteHeader(http.StatusUnauthorized)
				case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/team/app/"):
					w.WriteHeader(http.StatusNotFound) // Strict has its blobs in every repository
				default:
					s.ServeHTTP(w, r)
				}
			})))
			img := image(t, layerSize, layerSize+1)
			c := registry.New(registry.Options{Jobs: 1})
			from := tag(t, addr+"/private/base:v1")
			if _, err := registry.New(registry.Options{}).Push(t.Context(), tag(t, serve(t, s)+"/private/base:v1"), img, nil); err != nil {
				t.Fatal(err)
			}
			pulled, err := c.Pull(t.Context(), from, amd64)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Push(t.Context(), tag(t, addr+"/team/app:v1"), pulled, nil); err != nil {
				t.Errorf("got %v; it asked\n%s", err, f.Requests())
			}
		})
	}
}
