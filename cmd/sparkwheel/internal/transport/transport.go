// Package transport is how every room reaches the network: one
// http.RoundTripper that repeats what another attempt may heal, waits as long
// as servers ask, and ends transfers that stand still. cmd gives it to
// registry, index and git, which know nothing of waiting.
//
// Start with New; the policy is in Options and judge.
package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options are the policy. The zero value of every field stands for the default
// that its comment gives.
type Options struct {
	// Attempts is how often one request is sent (6).
	Attempts int
	// First is the wait after the first failure, doubled by each further one (500 ms) up to Top (30 s).
	First, Top time.Duration
	// MaxWait bounds one Retry-After: a server that asks for more gets no
	// further attempt, and the caller its answer (5 minutes).
	MaxWait time.Duration
	// Total bounds all waits of one request together (15 minutes).
	Total time.Duration
	// Idle ends a request on which no byte moved for so long (1 minute).
	Idle time.Duration
	// Finish is Idle for the answer to a PUT: it ends an upload, and a registry
	// may read gigabytes again before it answers (10 times Idle).
	Finish time.Duration
	// MinRate, in bytes a second, is the least that a transfer brings on average
	// over Window; a slower one is ended as an idle one is (1024, 2 minutes).
	MinRate int64
	Window  time.Duration
	// Now is the clock (time.Now).
	Now func() time.Time
	// Sleep waits, and returns early with the cause of ctx's end (a timer).
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter picks a wait up to the bound that it is given (at random between
	// half of it and all).
	Jitter func(d time.Duration) time.Duration
	// Notice hears of every failure after which there is another attempt,
	// before the wait, with the context of the request. It may be called
	// concurrently. nil hears nothing.
	Notice func(ctx context.Context, n Notice)
}

// A Notice is what the user may want to know about a failed attempt.
type Notice struct {
	Method, Host string
	Cause        error         // a *StatusError for an answer
	Wait         time.Duration // until the next attempt
	// Attempt failed, of Attempts; Left is what remains of Options.Total.
	Attempt, Attempts int
	Left              time.Duration
}

func (n Notice) String() string {
	return fmt.Sprintf("%s: %s; trying again in %s (attempt %d of %d failed)",
		n.Host, n.Cause, n.Wait.Round(time.Millisecond), n.Attempt, n.Attempts)
}

// Transport is an http.RoundTripper with the policy of its Options over
// another. It is safe for concurrent use; make one a run, so that all requests
// to a host know how the host is.
//
// A request is repeated only when its body can be had again (http.Request's
// GetBody, or none). The answer to the last attempt is returned as it is,
// whatever its status. A request that cannot be repeated fails at once; the
// next one to that host then waits as a repeated one would.
type Transport struct {
	base http.RoundTripper
	opt  Options

	mu    sync.Mutex
	hosts map[string]*host
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport over base; it opens no connection.
func New(base http.RoundTripper, opt Options) *Transport {
	set(&opt.Attempts, 6)
	set(&opt.First, 500*time.Millisecond)
	set(&opt.Top, 30*time.Second)
	set(&opt.MaxWait, 5*time.Minute)
	set(&opt.Total, 15*time.Minute)
	set(&opt.Idle, time.Minute)
	set(&opt.Finish, 10*opt.Idle)
	set(&opt.MinRate, 1024)
	set(&opt.Window, 2*time.Minute)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if opt.Jitter == nil {
		opt.Jitter = jitter
	}
	if opt.Notice == nil {
		opt.Notice = func(context.Context, Notice) {}
	}
	return &Transport{base: base, opt: opt, hosts: map[string]*host{}}
}

func set[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// jitter spreads the clients of a server that came back.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, h := req.Context(), t.host(req.URL.Host)
	if err := t.admit(ctx, h); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	left := t.opt.Total
	for attempt := 1; ; attempt++ {
		began := t.opt.Now()
		resp, err := t.once(h, req)
		f := judge(ctx, resp, err)
		if f == nil {
			if err == nil {
				h.answered(req.Method)
			}
			return resp, err
		}
		wait := t.wait(h.failed(req.Method, began, t.opt.Now()), f)
		again := attempt < t.opt.Attempts && wait <= left && f.after <= t.opt.MaxWait
		if again {
			h.hold(t.opt.Now().Add(wait))
		}
		if !again || !rewind(&req) {
			if err != nil && attempt > 1 {
				err = &GiveUpError{attempt, err}
			}
			return resp, err
		}
		t.opt.Notice(ctx, Notice{req.Method, req.URL.Host, f.cause, wait, attempt, t.opt.Attempts, left - wait})
		if resp != nil {
			drain(resp)
		}
		left -= wait
		if err := t.opt.Sleep(ctx, wait); err != nil {
			return nil, errors.Join(err, closeBody(req))
		}
	}
}

// rewind gives the request a body to be sent again, and says whether it can.
func rewind(req **http.Request) bool {
	r := *req
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	*req = r.Clone(r.Context())
	(*req).Body = body
	return true
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// drain reads a short rest, so that the connection can be used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 16<<10)
	resp.Body.Close()
}

// GiveUpError ends a request that failed Attempts times; it wraps the last
// attempt's error.
type GiveUpError struct {
	Attempts int
	Err      error
}

func (e *GiveUpError) Error() string {
	return fmt.Sprintf("gave up after %d attempts: %s", e.Attempts, e.Err)
}

func (e *GiveUpError) Unwrap() error { return e.Err }

// Base returns a transport for large transfers to few hosts: TLS by conf (nil
// trusts the system's authorities), through the proxy that proxy chooses for a
// request (nil: none).
func Base(conf *tls.Config, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		// Manifests name thousands of small files, fetched many at once.
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     90 * time.Second,
		// Layers are gigabytes: fewer, larger writes halve the system calls.
		WriteBufferSize: 256 << 10,
		ReadBufferSize:  64 << 10,
	}
}
