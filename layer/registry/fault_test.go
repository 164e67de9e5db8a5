package registry_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// faults is a proxy before a registry that does, for a number of requests that
// match, what networks and registries do in practice.
type faults struct {
	upstream *url.URL
	proxy    *httputil.ReverseProxy
	received atomic.Int64  // bytes of request bodies read from clients
	whole    atomic.Int64  // blobs asked for from their start
	over     chan struct{} // closed at the test's end: nothing stays silent longer

	mu    sync.Mutex
	rules []*rule
	seen  []string // method and path of each request
}

// rule is one fault: do answers in place of the registry.
type rule struct {
	match func(*http.Request) bool
	skip  int // how many matching requests pass first
	times int // how many it strikes after that; -1 all
	do    func(f *faults, w http.ResponseWriter, r *http.Request)
}

// before starts the proxy before the registry at host and returns it and its address.
func before(t *testing.T, host string, rules ...*rule) (*faults, string) {
	t.Helper()
	f := &faults{upstream: &url.URL{Scheme: "http", Host: host}, rules: rules, over: make(chan struct{})}
	f.proxy = &httputil.ReverseProxy{
		// SetURL leaves Host: upstream sees its own, so that a Location of it
		// that holds a host leads past the proxy unless it is rewritten.
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(f.upstream); r.Out.Host = r.In.Host },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport:    &http.Transport{DisableCompression: true},
	}
	addr := serve(t, f)
	t.Cleanup(func() { close(f.over) })
	return f, addr
}

func (f *faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil {
		r.Body = &countedBody{r.Body, &f.received}
	}
	if blob(r) && r.Header.Get("Range") == "" {
		f.whole.Add(1)
	}
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Range"))
	var strikes *rule
	for _, rule := range f.rules {
		if rule.times == 0 || !rule.match(r) {
			continue
		}
		if rule.skip > 0 {
			rule.skip--
			continue
		}
		if rule.times > 0 {
			rule.times--
		}
		strikes = rule
		break
	}
	f.mu.Unlock()
	if strikes != nil {
		strikes.do(f, w, r)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// requests lists what was asked, for a failed test.
func (f *faults) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, "\n")
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// What a rule matches.

func method(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m }
}

func anything(*http.Request) bool { return true }

func upload(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m && strings.Contains(r.URL.Path, "/blobs/uploads/") }
}

func large(r *http.Request) bool { return r.Method == http.MethodPatch && r.ContentLength >= chunkSize }

func blob(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:")
}

// What a rule does.

type act = func(f *faults, w http.ResponseWriter, r *http.Request)

func status(code int, header ...string) act {
	return func(_ *faults, w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, `{"errors":[{"code":"FAULT","message":"made by the test"}]}`)
	}
}

// reset passes on a part of the request's body and then cuts both connections.
func reset(percent int64) act {
	return func(f *faults, w http.ResponseWriter, r *http.Request) {
		r.Body = &cutBody{r.Body, r.ContentLength * percent / 100}
		func() {
			defer func() { recover() }()
			f.proxy.ServeHTTP(discard{http.Header{}}, r)
		}()
		sever(w)
	}
}

// cutAnswer passes on a part of the answer's body and then cuts the connection.
func cutAnswer(percent int64) act {
	return func(f *faults, w http.ResponseWriter, r *http.Request) {
		f.proxy.ServeHTTP(&cutWriter{ResponseWriter: w, percent: percent, rest: -1}, r)
	}
}

// lost has the registry do the work and cuts the connection in place of the answer.
func lost(f *faults, w http.ResponseWriter, r *http.Request) {
	f.proxy.ServeHTTP(discard{http.Header{}}, r)
	sever(w)
}

// stall passes on a part of the request's body and is silent for as long as
// the client lives.
func stall(percent int64) act {
	return func(f *faults, w http.ResponseWriter, r *http.Request) {
		r.Body = &stalledBody{cutBody{r.Body, r.ContentLength * percent / 100}, r}
		f.proxy.ServeHTTP(w, r)
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

// silence reads a part of the request's body and then does nothing at all.
func silence(percent int64) act {
	return func(f *faults, w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			io.CopyN(io.Discard, r.Body, r.ContentLength*percent/100)
		}
		f.wait(r)
	}
}

// wait does nothing until the client has gone. A server that has not read the
// whole body does not see it go, hence the end of the test too.
func (f *faults) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-f.over:
	}
	panic(http.ErrAbortHandler)
}

// stalledAnswer sends half of the answer's body and then nothing.
func stalledAnswer(f *faults, w http.ResponseWriter, r *http.Request) {
	defer func() {
		recover()
		f.wait(r)
	}()
	f.proxy.ServeHTTP(&cutWriter{ResponseWriter: w, percent: 50, rest: -1, stall: true}, r)
}

// answerWith lets the registry answer and changes the header.
func answerWith(change func(http.Header)) act {
	return func(f *faults, w http.ResponseWriter, r *http.Request) {
		f.proxy.ServeHTTP(&changed{ResponseWriter: w, change: change}, r)
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

type changed struct {
	http.ResponseWriter
	change func(http.Header)
	done   bool
}

func (w *changed) WriteHeader(code int) {
	if !w.done {
		w.done = true
		w.change(w.Header())
	}
	w.ResponseWriter.WriteHeader(code)
}
