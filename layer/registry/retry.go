package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstWait = 500 * time.Millisecond
	topWait   = 30 * time.Second
)

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

// jitter spreads the clients of a registry that came back.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// retryAfter reads both forms of RFC 9110 section 10.2.3. A date counts from
// the answer's own Date: the two clocks need not agree.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(max(0, min(s, 1<<31))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// errRenewed marks a request that was refused for its token after which a
// fresh token was fetched: the same request is worth sending once more.
var errRenewed = errors.New("the token was renewed")

// temporary tells whether the same request may succeed later.
func temporary(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, errRenewed) {
		return errors.Is(err, errRenewed)
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499:
			return true
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
			return false
		}
		return e.Status >= 500
	}
	if permanent(err) {
		return false
	}
	return true
}

// backoff counts failures in a row; progress sets it back.
type backoff struct {
	opt      *Options
	failures int
}

func (b *backoff) progressed() { b.failures = 0 }

// wait sleeps after err as long as the registry asks or the count of failures
// says; it returns an error when err is permanent, when there were too many,
// or when the registry asks for too long a wait.
func (b *backoff) wait(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if !temporary(err) {
		return err
	}
	b.failures++
	if b.failures >= b.opt.Attempts {
		return &GiveUpError{b.failures, err}
	}
	if errors.Is(err, errRenewed) {
		return nil
	}
	d := b.opt.Jitter(min(topWait, firstWait<<min(b.failures-1, 16)))
	if e, ok := errors.AsType[*StatusError](err); ok && e.RetryAfter > 0 {
		if e.RetryAfter > b.opt.MaxWait {
			return &WaitError{e.RetryAfter, b.opt.MaxWait, err}
		}
		d = e.RetryAfter + b.opt.Jitter(firstWait)
	}
	return b.opt.Sleep(ctx, d)
}

// retry runs f until it succeeds or wait says to stop.
func (c *Client) retry(ctx context.Context, f func() error) error {
	b := backoff{opt: &c.opt}
	for {
		err := f()
		if err == nil {
			return nil
		}
		if err := b.wait(ctx, err); err != nil {
			return err
		}
	}
}
