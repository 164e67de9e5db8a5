package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// StalledError ends a request on which too little moved.
type StalledError struct {
	Method, Host string
	// Bytes moved within For: none, or fewer than the policy's rate asks for.
	Bytes int64
	For   time.Duration
}

func (e *StalledError) Error() string {
	if e.Bytes == 0 {
		return fmt.Sprintf("%s %s: no data for %s", e.Method, e.Host, e.For)
	}
	return fmt.Sprintf("%s %s: too slow: %d bytes in %s", e.Method, e.Host, e.Bytes, e.For)
}

// Timeout is true, as for net.Error.
func (e *StalledError) Timeout() bool { return true }

// largeBody is from where on it is worth asking before a body is sent again.
const largeBody = 1 << 20

// once sends the request one time, watched.
func (t *Transport) once(h *host, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{opt: &t.opt, method: req.Method, host: req.URL.Host, end: cancel, finish: t.opt.Idle}
	if req.Method == http.MethodPut {
		w.finish = t.opt.Finish
	}
	w.timer = time.AfterFunc(time.Hour, w.expired)
	w.timer.Stop()
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		w.run(t.opt.Idle)
		out.Body = &watchedWrite{ReadCloser: req.Body, watch: w}
		if h.ailing(req.Method) && (req.ContentLength < 0 || req.ContentLength >= largeBody) {
			// A server that refuses may do so before it has read the body, and the
			// broken connection hides why: this time it is asked first.
			out.Header = req.Header.Clone()
			out.Header.Set("Expect", "100-continue")
		}
	} else {
		w.run(w.finish)
	}
	resp, err := t.base.RoundTrip(out)
	w.answered()
	if err != nil {
		err = w.cause(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	resp.Body = &watchedRead{ReadCloser: resp.Body, watch: w, ctx: func() error { return context.Cause(ctx) }, failed: func() {
		now := t.opt.Now()
		h.hold(now.Add(t.wait(h.failed(req.Method, w.begin, now), &fault{})))
	}}
	return resp, nil
}

// watch ends a request when the network stands still, in either direction.
// Time that the caller spends producing or consuming bytes does not count.
type watch struct {
	opt          *Options
	method, host string
	end          context.CancelCauseFunc
	finish       time.Duration // for the answer, once the body is sent

	mu    sync.Mutex
	timer *time.Timer
	on    bool          // a wait is under way
	begin time.Time     // of the present wait
	limit time.Duration // of the present wait
	spent time.Duration // waiting within this window
	moved int64         // within this window
	// over is an answer that came before the whole request was written: what is
	// still written no longer matters.
	over bool
}

// run begins a wait of at most idle.
func (w *watch) run(idle time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.begin, w.limit = true, w.opt.Now(), idle
	if rest := w.opt.Window - w.spent; w.moved > 0 {
		w.limit = min(idle, rest)
	}
	w.timer.Reset(w.limit)
}

// stop ends a wait in which n bytes moved.
func (w *watch) stop(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.on = false
	w.spent += w.opt.Now().Sub(w.begin)
	w.moved += int64(n)
	if w.moved >= int64(w.opt.Window.Seconds()*float64(w.opt.MinRate)) {
		w.spent, w.moved = 0, 0
	}
}

func (w *watch) expired() {
	w.mu.Lock()
	if !w.on || w.opt.Now().Sub(w.begin) < w.limit { // it moved in the same moment
		w.mu.Unlock()
		return
	}
	e := &StalledError{w.method, w.host, 0, w.limit}
	if w.moved > 0 && w.limit+w.spent >= w.opt.Window {
		e.Bytes, e.For = w.moved, w.opt.Window
	}
	w.mu.Unlock()
	w.end(e)
}

func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.on, w.over, w.spent, w.moved = false, true, 0, 0
}

func (w *watch) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// cause prefers the watch's own word to that of the connection it broke.
func (w *watch) cause(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*StalledError](context.Cause(ctx)); ok {
		return e
	}
	return err
}

// watchedWrite runs the clock between reads of a request's body: that is while
// the bytes are written to the network.
type watchedWrite struct {
	io.ReadCloser
	watch *watch
	n     int // bytes of the read before, written by now
}

func (b *watchedWrite) Read(p []byte) (int, error) {
	if b.watch.ended() {
		return b.ReadCloser.Read(p)
	}
	b.watch.stop(b.n)
	n, err := b.ReadCloser.Read(p)
	b.n = n
	switch {
	case b.watch.ended():
	case err != nil:
		b.watch.sent()
	default:
		b.watch.run(b.watch.opt.Idle)
	}
	return n, err
}

// sent begins the wait for the answer.
func (w *watch) sent() {
	w.mu.Lock()
	w.spent, w.moved = 0, 0
	w.mu.Unlock()
	w.run(w.finish)
}

// watchedRead runs the clock within reads of an answer's body.
type watchedRead struct {
	io.ReadCloser
	watch  *watch
	ctx    func() error
	failed func()
	broken bool
}

func (b *watchedRead) Read(p []byte) (int, error) {
	b.watch.run(b.watch.opt.Idle)
	n, err := b.ReadCloser.Read(p)
	b.watch.stop(n)
	if err != nil && !errors.Is(err, io.EOF) {
		cause := b.ctx()
		if e, ok := errors.AsType[*StalledError](cause); ok {
			err = e
		}
		if (cause == nil || errors.As(cause, new(*StalledError))) && !b.broken {
			b.broken = true
			b.failed()
		}
	}
	return n, err
}

func (b *watchedRead) Close() error {
	err := b.ReadCloser.Close()
	b.watch.end(nil)
	return err
}
