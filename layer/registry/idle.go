package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// idleTransport cancels a request when no byte of it moves for a while, in
// either direction. Time that the caller spends producing or consuming bytes
// does not count: only the network is watched.
type idleTransport struct {
	base http.RoundTripper
	idle time.Duration
}

type patienceKey struct{}

// withPatience gives the requests of ctx another idle time.
func withPatience(ctx context.Context, idle time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, idle)
}

func (t idleTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	idle := t.idle
	if d, ok := req.Context().Value(patienceKey{}).(time.Duration); ok {
		idle = d
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{idle: idle}
	w.timer = time.AfterFunc(idle, func() {
		cancel(&IdleError{req.Method, redact(req.URL), idle})
	})
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = &watchedWrite{req.Body, w}
	}
	resp, err := t.base.RoundTrip(out)
	w.answered()
	if err != nil {
		cause := context.Cause(ctx)
		cancel(nil)
		if e, ok := errors.AsType[*IdleError](cause); ok {
			return nil, e
		}
		return nil, err
	}
	resp.Request = req
	resp.Body = &watchedRead{resp.Body, w, func() error { return context.Cause(ctx) }, cancel}
	return resp, nil
}

type watch struct {
	mu    sync.Mutex
	timer *time.Timer
	idle  time.Duration
	// early is an answer that came before the whole request was written: what
	// is still written no longer matters.
	early bool
}

func (w *watch) answered() { w.mu.Lock(); w.early = true; w.timer.Stop(); w.mu.Unlock() }

func (w *watch) writing() {
	w.mu.Lock()
	if !w.early {
		w.timer.Reset(w.idle)
	}
	w.mu.Unlock()
}

func (w *watch) produced() {
	w.mu.Lock()
	if !w.early {
		w.timer.Stop()
	}
	w.mu.Unlock()
}

func (w *watch) run()   { w.mu.Lock(); w.timer.Reset(w.idle); w.mu.Unlock() }
func (w *watch) pause() { w.mu.Lock(); w.timer.Stop(); w.mu.Unlock() }

// watchedWrite runs the clock between reads of a request's body: that is
// while the bytes are being written to the network.
type watchedWrite struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedWrite) Read(p []byte) (int, error) {
	b.watch.produced()
	n, err := b.ReadCloser.Read(p)
	b.watch.writing()
	return n, err
}

// watchedRead runs the clock within reads of an answer's body.
type watchedRead struct {
	io.ReadCloser
	watch  *watch
	cause  func() error
	cancel context.CancelCauseFunc
}

func (b *watchedRead) Read(p []byte) (int, error) {
	b.watch.run()
	n, err := b.ReadCloser.Read(p)
	b.watch.pause()
	if err != nil && err != io.EOF {
		if e, ok := errors.AsType[*IdleError](b.cause()); ok {
			return n, e
		}
	}
	return n, err
}

func (b *watchedRead) Close() error {
	b.watch.pause()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
