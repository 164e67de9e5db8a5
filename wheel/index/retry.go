package index

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// errStalled is the cause of a request that was given up for its silence.
var errStalled = errors.New("the connection fell silent")

// retry runs try until it succeeds, fails for good, or fails Attempts times in
// a row without progress. try gets a context that ends when it is silent for
// Stall; it calls alive for every sign of life and says whether it moved on.
func (c *Client) retry(ctx context.Context, url string, try func(ctx context.Context, alive func()) (moved bool, err error)) error {
	for failures := 1; ; failures++ {
		moved, err := c.attempt(ctx, try)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if moved {
			failures = 1
		}
		if !passing(err) || failures >= c.attempts() {
			return err
		}
		wait := c.wait(failures, err)
		if c.Retrying != nil {
			c.Retrying(Redact(url), wait, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

func (c *Client) attempt(ctx context.Context, try func(context.Context, func()) (bool, error)) (bool, error) {
	stall := c.Stall
	if stall == 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer silence.Stop()
	moved, err := try(ctx, func() { silence.Reset(stall) })
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = &transferError{errStalled}
	}
	return moved, err
}

func (c *Client) attempts() int {
	if c.Attempts > 0 {
		return c.Attempts
	}
	return defaultAttempts
}

// wait is how long to pause after so many failures in a row.
func (c *Client) wait(failures int, err error) time.Duration {
	if e, ok := errors.AsType[*StatusError](err); ok && e.RetryAfter > 0 {
		return min(e.RetryAfter, longestWait)
	}
	wait := c.Backoff
	if wait == 0 {
		wait = defaultBackoff
	}
	wait <<= min(failures-1, 16)
	// Many transfers fail together when a server goes: they must not come
	// back together.
	wait += time.Duration((rand.Float64() - 0.5) / 2 * float64(wait))
	return min(wait, longestWait)
}

// passing tells errors that another try may not meet from those that it will.
func passing(err error) bool {
	if e, ok := errors.AsType[*StatusError](err); ok {
		switch e.Code {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*transferError](err); !ok {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	return true
}

// transferError marks what went wrong on the network, as opposed to on disk or
// in the answer's content.
type transferError struct{ err error }

func (e *transferError) Error() string { return e.err.Error() }
func (e *transferError) Unwrap() error { return e.err }

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds, or a date, which
// is measured from the answer's own Date so that no clock is asked.
func retryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return min(time.Duration(min(n, int(longestWait/time.Second)))*time.Second, longestWait)
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), longestWait)
}
