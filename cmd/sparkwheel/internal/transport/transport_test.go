package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
)

// server answers in the process, so that a test's clock need not be the wall's.
type server func(n int, r *http.Request) (*http.Response, error)

type counted struct {
	serve server
	n     atomic.Int32
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.n.Add(1)
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return c.serve(int(n), r)
}

func answer(code int, header ...string) *http.Response {
	resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("page"))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// request makes one of the three kinds: without a body, with one that can be
// had again, with one that cannot.
func request(t *testing.T, kind string) *http.Request {
	t.Helper()
	var req *http.Request
	var err error
	switch kind {
	case "none":
		req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example/x", nil)
	case "bytes":
		req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a.example/x", bytes.NewReader([]byte("body")))
	case "stream":
		req, err = http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://a.example/x", io.MultiReader(strings.NewReader("body")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// What is repeated, how often, and how long that takes.
func TestAttempts(t *testing.T) {
	t.Parallel()
	reset := errors.New("connection reset by peer")
	status := func(code int, header ...string) server {
		return func(int, *http.Request) (*http.Response, error) { return answer(code, header...), nil }
	}
	once := func(s server) server {
		return func(n int, r *http.Request) (*http.Response, error) {
			if n > 1 {
				return answer(200), nil
			}
			return s(n, r)
		}
	}
	tests := []struct {
		name, kind string
		serve      server
		sent       int
		took       time.Duration // without jitter
		code       int           // 0: an error
	}{
		{"200", "none", status(200), 1, 0, 200},
		{"404", "none", status(404), 1, 0, 404},
		{"501", "none", status(501), 1, 0, 501},
		{"408 once", "none", once(status(408)), 2, time.Second, 200},
		{"425 once", "none", once(status(425)), 2, time.Second, 200},
		{"500 once", "bytes", once(status(500)), 2, time.Second, 200},
		{"429 once", "none", once(status(429, "Retry-After", "7")), 2, 8 * time.Second, 200},
		{"503 until a date", "none", once(status(503, "Retry-After", "Mon, 02 Jan 2006 15:05:05 GMT", "Date", "Mon, 02 Jan 2006 15:04:35 GMT")), 2, 31 * time.Second, 200},
		{"503 for ever", "none", status(503), 4, (1 + 2 + 4) * time.Second, 503},
		{"429 for a day", "none", status(429, "Retry-After", "86400"), 1, 0, 429},
		{"more than all waits together", "none", status(503, "Retry-After", "50"), 2, 51 * time.Second, 503},
		{"reset once", "bytes", once(func(int, *http.Request) (*http.Response, error) { return nil, reset }), 2, time.Second, 200},
		{"reset for ever", "none", func(int, *http.Request) (*http.Response, error) { return nil, reset }, 4, 7 * time.Second, 0},
		{"503 to a stream", "stream", status(503), 1, 0, 503},
		{"reset of a stream", "stream", func(int, *http.Request) (*http.Response, error) { return nil, reset }, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				base := &counted{serve: tt.serve}
				var told int
				tr := transport.New(base, transport.Options{
					Attempts: 4, First: time.Second, Total: time.Minute,
					Jitter: func(d time.Duration) time.Duration { return d },
					Notice: func(context.Context, transport.Notice) { told++ },
				})
				began := time.Now()
				resp, err := tr.RoundTrip(request(t, tt.kind))
				code := 0
				if err == nil {
					code = resp.StatusCode
					resp.Body.Close()
				}
				if code != tt.code || tt.code == 0 && !errors.Is(err, reset) {
					t.Errorf("got %d, %v, want %d", code, err, tt.code)
				}
				if int(base.n.Load()) != tt.sent || told != tt.sent-1 || time.Since(began) != tt.took {
					t.Errorf("sent %d times in %s, told %d times; want %d in %s", base.n.Load(), time.Since(began), told, tt.sent, tt.took)
				}
			})
		})
	}
}

// A request that cannot be repeated has the next one wait, whosever it is; the
// requests that failed together count once.
func TestHostWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := true
		tr := transport.New(&counted{serve: func(int, *http.Request) (*http.Response, error) {
			if fail {
				time.Sleep(time.Second)
				return answer(503), nil
			}
			return answer(200), nil
		}}, transport.Options{First: 10 * time.Second, Jitter: func(d time.Duration) time.Duration { return d }})
		began := time.Now()
		done := make(chan error)
		for range 3 {
			go func() {
				resp, err := tr.RoundTrip(request(t, "stream"))
				if err == nil {
					resp.Body.Close()
				}
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		fail = false
		resp, err := tr.RoundTrip(request(t, "none"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := time.Since(began); got != 11*time.Second {
			t.Errorf("the next request was answered after %s, want 11s", got)
		}
		// Another host is not held.
		fail = true
		if resp, err = tr.RoundTrip(request(t, "stream")); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		fail, began = false, time.Now()
		other := request(t, "none")
		other.URL.Host = "b.example"
		if resp, err = tr.RoundTrip(other); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if time.Since(began) != 0 {
			t.Errorf("another host waited %s", time.Since(began))
		}
	})
}

// A wait ends with the context.
func TestWaitIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tr := transport.New(&counted{serve: func(int, *http.Request) (*http.Response, error) { return answer(503), nil }},
			transport.Options{Notice: func(context.Context, transport.Notice) { cancel() }})
		began := time.Now()
		if _, err := tr.RoundTrip(request(t, "none").WithContext(ctx)); !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

// drip gives n bytes after each wait, until its request ends.
type drip struct {
	ctx  context.Context
	n    int
	wait time.Duration
	rest int
}

func (d *drip) Read(p []byte) (int, error) {
	if d.rest == 0 {
		return 0, io.EOF
	}
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(d.wait):
	}
	n := min(d.n, d.rest, len(p))
	d.rest -= n
	return n, nil
}

func (d *drip) Close() error { return nil }

// What stands still ends, what is slower than the least rate ends too, and
// time that the caller takes does not count.
func TestStalls(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		body   drip
		caller time.Duration // of each of the caller's turns
		want   error
		took   time.Duration
	}{
		{"fast", drip{n: 1 << 20, wait: time.Second, rest: 10 << 20}, 0, nil, 10 * time.Second},
		{"at the rate", drip{n: 4 << 10, wait: 3 * time.Second, rest: 400 << 10}, 0, nil, 5 * time.Minute},
		{"a slow caller", drip{n: 1 << 10, wait: time.Second, rest: 10 << 10}, time.Hour, nil, 10*time.Second + 11*time.Hour},
		{"1 byte per 7 seconds", drip{n: 1, wait: 7 * time.Second, rest: 1 << 20}, 0,
			&transport.StalledError{Method: "GET", Host: "a.example", Bytes: 17, For: 2 * time.Minute}, 2 * time.Minute},
		{"silence", drip{n: 1, wait: time.Hour, rest: 1}, 0, &transport.StalledError{Method: "GET", Host: "a.example", For: time.Minute}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := transport.New(&counted{serve: func(_ int, r *http.Request) (*http.Response, error) {
					body := tt.body
					body.ctx = r.Context()
					return &http.Response{StatusCode: 200, Body: &body}, nil
				}}, transport.Options{})
				began := time.Now()
				resp, err := tr.RoundTrip(request(t, "none"))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				buf := make([]byte, 1<<20)
				for err == nil {
					_, err = resp.Body.Read(buf)
					time.Sleep(tt.caller)
				}
				if errors.Is(err, io.EOF) {
					err = nil
				}
				if diff := cmp.Diff(tt.want, err); diff != "" {
					t.Error(diff)
				}
				if got := time.Since(began).Round(4 * time.Second); got != tt.took.Round(4*time.Second) {
					t.Errorf("it took %s, want %s", got, tt.took)
				}
			})
		})
	}
}

// The answer to a PUT may take long: a registry reads gigabytes again. That to
// a GET may not, and a body that is not taken may not either.
func TestAnswersTakeTheirTime(t *testing.T) {
	t.Parallel()
	silent := func(_ int, r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for method, want := range map[string]time.Duration{http.MethodGet: time.Minute, http.MethodPut: 10 * time.Minute, http.MethodPatch: time.Minute} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				req := request(t, "stream")
				req.Method = method
				began := time.Now()
				_, err := transport.New(&counted{serve: silent}, transport.Options{}).RoundTrip(req)
				if !errors.As(err, new(*transport.StalledError)) || time.Since(began) != want {
					t.Errorf("%v after %s, want a stall after %s", err, time.Since(began), want)
				}
			})
		})
	}
}
