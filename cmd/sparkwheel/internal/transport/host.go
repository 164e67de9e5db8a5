package transport

import (
	"context"
	"sync"
	"time"
)

// host is what the requests to one host know of each other.
type host struct {
	mu    sync.Mutex
	until time.Time      // no request before
	rows  map[string]row // by method: a server may answer GET and refuse PATCH
}

// row is a row of failures.
type row struct {
	failures int
	last     time.Time
}

func (t *Transport) host(name string) *host {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hosts[name]
	if h == nil {
		h = &host{rows: map[string]row{}}
		t.hosts[name] = h
	}
	return h
}

// admit waits as long as the host asked of any request.
func (t *Transport) admit(ctx context.Context, h *host) error {
	h.mu.Lock()
	wait := h.until.Sub(t.opt.Now())
	h.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return t.opt.Sleep(ctx, wait)
}

func (h *host) hold(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
}

func (h *host) answered(method string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rows, method)
}

// failed returns how many failures there were in a row. Requests that were
// under way together when a connection went count as one.
func (h *host) failed(method string, began, now time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rows[method]
	if r.failures == 0 || !began.Before(r.last) {
		r.failures++
		r.last = now
	}
	h.rows[method] = r
	return r.failures
}

// ailing is whether the last request of this method failed.
func (h *host) ailing(method string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rows[method].failures > 0
}
