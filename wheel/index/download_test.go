package index_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// content is n bytes that no compression shortens, the same for a seed.
func content(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func pinOf(url string, body []byte) index.Pin {
	sum := sha256.Sum256(body)
	return index.Pin{Name: "tiny", File: "tiny-1.0-py3-none-any.whl", URL: url, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(body))}
}

// serve answers like a static file server, through wrap when it is not nil,
// and counts the requests and the bytes of bodies.
type server struct {
	*httptest.Server
	requests, sent atomic.Int64
}

func serve(t *testing.T, body []byte, wrap func(n int64, w http.ResponseWriter, r *http.Request, file http.Handler)) *server {
	t.Helper()
	s := &server{}
	file := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "file", time.Time{}, bytes.NewReader(body))
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		counted := &countingWriter{ResponseWriter: w, n: &s.sent}
		if wrap == nil {
			file.ServeHTTP(counted, r)
			return
		}
		wrap(n, counted, r, file)
	}))
	t.Cleanup(s.Close)
	return s
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.n.Add(int64(n))
	return n, err
}

// cut sends the headers of the whole and only the first n bytes.
func cut(w http.ResponseWriter, body []byte, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body[:n])
	w.(*countingWriter).ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func client() *index.Client { return &index.Client{} }

func checkFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s holds %d other bytes than the server's %d", path, len(got), len(want))
	}
}

func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir + "/sha256")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s was left behind", e.Name())
	}
}

func TestDownloadBringsAndKeeps(t *testing.T) {
	t.Parallel()
	body := content(3<<20+7, 1)
	s := serve(t, body, nil)
	dir := t.TempDir()
	pin := pinOf(s.URL+"/tiny", body)
	var done, total int64
	for range 2 {
		path, err := client().Download(t.Context(), pin, dir, func(d, n int64) { done, total = d, n })
		if err != nil {
			t.Fatal(err)
		}
		checkFile(t, path, body)
		if path != pin.Path(dir) {
			t.Errorf("path is %s, Path says %s", path, pin.Path(dir))
		}
		if done != pin.Size || total != pin.Size {
			t.Errorf("progress ends at %d of %d, want %d", done, total, pin.Size)
		}
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests for one file", n)
	}
}

func TestDownloadResumes(t *testing.T) {
	t.Parallel()
	body := content(1<<20, 2)
	for name, part := range map[string][]byte{
		"half":     body[:1<<19],
		"whole":    body,
		"damaged":  content(1<<19, 99),
		"too long": append(bytes.Clone(body), "more"...),
		"empty":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, body, nil)
			for _, size := range []int64{int64(len(body)), 0} {
				dir := t.TempDir()
				pin := pinOf(s.URL+"/tiny", body)
				pin.Size = size
				leave(t, pin, dir, part)
				path, err := client().Download(t.Context(), pin, dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				checkFile(t, path, body)
			}
		})
	}
}

func leave(t *testing.T, pin index.Pin, dir string, part []byte) {
	t.Helper()
	if err := os.MkdirAll(dir+"/sha256", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pin.Path(dir)+".part", part, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDownloadAsksOnlyForTheRest(t *testing.T) {
	t.Parallel()
	body := content(4<<20, 3)
	// Each connection dies after a quarter at most of what is left.
	s := serve(t, body, func(n int64, w http.ResponseWriter, r *http.Request, file http.Handler) {
		if n < 8 {
			file.ServeHTTP(&limitedWriter{ResponseWriter: w, left: 600 << 10}, r)
			return
		}
		file.ServeHTTP(w, r)
	})
	dir := t.TempDir()
	path, err := client().Download(t.Context(), pinOf(s.URL, body), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFile(t, path, body)
	if n := s.requests.Load(); n < 6 {
		t.Errorf("only %d requests: the server did not break off as it should", n)
	}
	if sent := s.sent.Load(); sent > int64(len(body))+8<<10 {
		t.Errorf("%d bytes were sent for a file of %d", sent, len(body))
	}
}

// limitedWriter breaks the connection off after so many bytes.
type limitedWriter struct {
	http.ResponseWriter
	left int
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		w.ResponseWriter.Write(b[:w.left])
		w.ResponseWriter.(*countingWriter).ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}

func TestDownloadRetries(t *testing.T) {
	t.Parallel()
	body := content(64<<10, 4)
	answer := func(code int, retryAfter string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(code)
		}
	}
	tests := map[string]struct {
		first    func(w http.ResponseWriter)
		requests int64
		wantErr  string
	}{
		"broken off":    {func(w http.ResponseWriter) { cut(w, body, 1000) }, 2, ""},
		"too many":      {answer(429, "3600"), 1, `429 Too Many Requests (Retry-After: "3600")`},
		"forbidden":     {answer(403, ""), 1, "403 Forbidden"},
		"gone":          {answer(410, ""), 1, "410 Gone; the file was removed from the index"},
		"not there":     {answer(404, ""), 1, "404 Not Found"},
		"not a success": {answer(204, ""), 1, "204"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, body, func(n int64, w http.ResponseWriter, r *http.Request, file http.Handler) {
				if n == 1 {
					tt.first(w)
					return
				}
				file.ServeHTTP(w, r)
			})
			dir := t.TempDir()
			_, err := client().Download(t.Context(), pinOf(s.URL+"/a", body), dir, nil)
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("error is %v, want one with %q", err, tt.wantErr)
			}
			if n := s.requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// A file whose answers break off without ever moving is given up.
func TestDownloadGivesUp(t *testing.T) {
	t.Parallel()
	body := content(10000, 5)
	s := serve(t, body, func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) { cut(w, body, 0) })
	_, err := client().Download(t.Context(), pinOf(s.URL, body), t.TempDir(), nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v, want an unexpected end", err)
	}
	if s.requests.Load() != 5 {
		t.Errorf("%d requests, want 5", s.requests.Load())
	}
}

func TestDownloadRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	body := content(1<<20, 6)
	other := content(1<<20, 7)
	tests := map[string]struct {
		served []byte
		size   int64
		part   []byte
		want   []string
	}{
		"other bytes":               {other, 1 << 20, nil, []string{"sha256 is ", " is pinned"}},
		"other bytes, part left":    {other, 1 << 20, body[:1000], []string{"sha256 is "}},
		"longer":                    {append(bytes.Clone(body), 1), 1 << 20, nil, []string{"1048577 bytes, but 1048576 are pinned"}},
		"shorter":                   {body[:1000], 1 << 20, nil, []string{"it has 1000 bytes"}},
		"shorter, size not pinned":  {body[:1000], 0, nil, []string{"sha256 is "}},
		"shorter than what is left": {body[:1000], 1 << 20, body[:2000], []string{"it has 1000 bytes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.served, nil)
			dir := t.TempDir()
			u := strings.Replace(s.URL, "://", "://user:secret@", 1)
			pin := pinOf(u+"/tiny", body)
			pin.Size = tt.size
			if tt.part != nil {
				leave(t, pin, dir, tt.part)
			}
			_, err := client().Download(t.Context(), pin, dir, nil)
			if e, ok := errors.AsType[*index.MismatchError](err); !ok || e.Name != "tiny" {
				t.Fatalf("error is %v, want a mismatch", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q tells the password", err)
			}
			checkEmpty(t, dir)
		})
	}
}

func TestDownloadEndlessBody(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		io.Copy(w, rand.NewChaCha8([32]byte{}))
	})
	_, err := client().Download(t.Context(), pinOf(s.URL, []byte("short")), t.TempDir(), nil)
	if _, ok := errors.AsType[*index.MismatchError](err); !ok {
		t.Errorf("error is %v, want a mismatch", err)
	}
}
