// Package registrytest serves registries to tests: real ones, one in memory
// that keeps each byte of a cut upload, and a proxy before any of them that
// does what networks and products do in practice.
package registrytest

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Faults is a proxy before a registry that does, for a number of requests that
// match, what networks and registries do in practice.
type Faults struct {
	upstream *url.URL
	proxy    *httputil.ReverseProxy
	Received atomic.Int64  // bytes of request bodies read from clients
	Whole    atomic.Int64  // blobs asked for from their start
	over     chan struct{} // closed at the test's end: nothing stays silent longer

	mu    sync.Mutex
	rules []*Rule
	seen  []string // method and path of each request
}

// Rule is one fault: Do answers in place of the registry.
type Rule struct {
	Match func(*http.Request) bool
	Skip  int // how many matching requests pass first
	Times int // how many it strikes after that; -1 all
	Do    Act
}

// Before starts the proxy before the registry at host and returns it and its address.
func Before(t testing.TB, host string, rules ...*Rule) (*Faults, string) {
	t.Helper()
	f := &Faults{upstream: &url.URL{Scheme: "http", Host: host}, rules: rules, over: make(chan struct{})}
	f.proxy = &httputil.ReverseProxy{
		// SetURL leaves Host: upstream sees its own, so that a Location of it
		// that holds a host leads past the proxy unless it is rewritten.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(f.upstream); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport:    &http.Transport{DisableCompression: true},
	}
	addr := Serve(t, f)
	t.Cleanup(func() { close(f.over) })
	return f, addr
}

func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil {
		r.Body = &countedBody{r.Body, &f.Received}
	}
	if Blob(r) && r.Header.Get("Range") == "" {
		f.Whole.Add(1)
	}
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Range"))
	var strikes *Rule
	for _, rule := range f.rules {
		if rule.Times == 0 || !rule.Match(r) {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		if rule.Times > 0 {
			rule.Times--
		}
		strikes = rule
		break
	}
	f.mu.Unlock()
	if strikes != nil {
		strikes.Do(f, w, r)
		return
	}
	f.Forward(w, r)
}

// Forward has the registry answer.
func (f *Faults) Forward(w http.ResponseWriter, r *http.Request) { f.proxy.ServeHTTP(w, r) }

// Seen lists method, path and Content-Range of each request.
func (f *Faults) Seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// Requests is Seen as lines.
func (f *Faults) Requests() string { return strings.Join(f.Seen(), "\n") }

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// Method matches requests of one method.
func Method(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m }
}

// Anything matches each request.
func Anything(*http.Request) bool { return true }

// Upload matches requests of one method to an upload.
func Upload(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.Path, "/blobs/uploads/") }
}

// Blob matches reading a blob.
func Blob(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:")
}

// Act is what a rule does.
type Act func(f *Faults, w http.ResponseWriter, r *http.Request)

// Status answers with a status and pairs of header names and values.
func Status(code int, header ...string) Act {
	return func(_ *Faults, w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, `{"errors":[{"code":"FAULT","message":"made by the test"}]}`)
	}
}

// Reset passes on a part of the request's body and then cuts both connections.
func Reset(percent int64) Act {
	return func(f *Faults, w http.ResponseWriter, r *http.Request) {
		r.Body = &cutBody{r.Body, r.ContentLength * percent / 100}
		func() {
			defer func() { recover() }()
			f.Forward(discard{http.Header{}}, r)
		}()
		sever(w)
	}
}

// CutAnswer passes on a part of the answer's body and then cuts the connection.
func CutAnswer(percent int64) Act {
	return func(f *Faults, w http.ResponseWriter, r *http.Request) {
		f.Forward(&cutWriter{ResponseWriter: w, percent: percent, rest: -1}, r)
	}
}

// Lost has the registry do the work and cuts the connection in place of the answer.
func Lost(f *Faults, w http.ResponseWriter, r *http.Request) {
	f.Forward(discard{http.Header{}}, r)
	sever(w)
}

// Stall passes on a part of the request's body and is silent for as long as
// the client lives.
func Stall(percent int64) Act {
	return func(f *Faults, w http.ResponseWriter, r *http.Request) {
		r.Body = &stalledBody{cutBody{r.Body, r.ContentLength * percent / 100}, r}
		f.Forward(w, r)
	}
}

type stalledBody struct {
	cutBody
	r *http.Request
}

func (b *stalledBody) Read(p []byte) (int, error) {
	if b.rest == 0 {
		// Only a server that reads sees the client go.
		io.Copy(io.Discard, b.ReadCloser)
		<-b.r.Context().Done()
	}
	return b.cutBody.Read(p)
}

// Silence reads a part of the request's body and then does nothing at all.
func Silence(percent int64) Act {
	return func(f *Faults, w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			io.CopyN(io.Discard, r.Body, r.ContentLength*percent/100)
		}
		f.wait(r)
	}
}

// wait does nothing until the client has gone. A server that has not read the
// whole body does not see it go, hence the end of the test too.
func (f *Faults) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-f.over:
	}
	panic(http.ErrAbortHandler)
}

// StalledAnswer sends half of the answer's body and then nothing.
func StalledAnswer(f *Faults, w http.ResponseWriter, r *http.Request) {
	defer func() {
		recover()
		f.wait(r)
	}()
	f.Forward(&cutWriter{ResponseWriter: w, percent: 50, rest: -1, stall: true}, r)
}

// AnswerWith lets the registry answer and changes the header.
func AnswerWith(change func(http.Header)) Act {
	return func(f *Faults, w http.ResponseWriter, r *http.Request) {
		f.Forward(&Changed{ResponseWriter: w, Change: change}, r)
	}
}

// sever resets the client's connection.
func sever(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

type cutBody struct {
	io.ReadCloser
	rest int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.rest == 0 {
		return 0, errors.New("cut by the test")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.rest)])
	b.rest -= int64(n)
	return n, err
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

type cutWriter struct {
	http.ResponseWriter
	percent, rest int64
	stall         bool
}

func (w *cutWriter) Write(p []byte) (int, error) {
	if w.rest < 0 {
		size := int64(0)
		for _, c := range w.Header().Get("Content-Length") {
			size = size*10 + int64(c-'0')
		}
		w.rest = size * w.percent / 100
	}
	n, err := w.ResponseWriter.Write(p[:min(int64(len(p)), w.rest)])
	w.rest -= int64(n)
	if w.rest == 0 {
		http.NewResponseController(w.ResponseWriter).Flush()
		if !w.stall {
			sever(w.ResponseWriter)
		}
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func (w *cutWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Changed lets change see an answer's header before it is sent.
type Changed struct {
	http.ResponseWriter
	Change func(http.Header)
	done   bool
}

func (w *Changed) WriteHeader(code int) {
	if !w.done {
		w.done = true
		w.Change(w.Header())
	}
	w.ResponseWriter.WriteHeader(code)
}
