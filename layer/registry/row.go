package registry

import (
	"context"
	"errors"
	"net/http"
)

// errRenewed marks a request that was refused for its token after which a
// fresh token was fetched: the same request is worth sending once more.
var errRenewed = errors.New("the token was renewed")

// brokenError is an answer whose body broke off. The transport repeats what
// got no answer; what broke off within one goes on here, where it is known how
// far it came.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// temporary tells whether the same request may succeed later.
func temporary(err error) bool {
	if errors.As(err, new(*ResentError)) || errors.Is(err, context.Canceled) {
		return false
	}
	if errors.Is(err, errRenewed) {
		return true
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Temporary()
	}
	return !permanent(err)
}

// Temporary tells whether the registry may answer otherwise later.
func (e *StatusError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500
}

// row counts failures in a row; progress sets it back. It never waits: the
// transport does, before the next request to a host that failed.
type row struct{ limit, failures int }

func (r *row) progressed() { r.failures = 0 }

// again returns nil when another attempt is due after err.
func (r *row) again(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if !temporary(err) {
		return err
	}
	r.failures++
	if r.failures >= r.limit {
		return &GiveUpError{r.failures, err}
	}
	return nil
}

// whole runs f until its answer does not break off, a few times.
func (c *Client) whole(ctx context.Context, f func() error) error {
	r := row{limit: c.opt.Attempts}
	for {
		err := f()
		if err == nil || !errors.As(err, new(*brokenError)) {
			return err
		}
		if err := r.again(ctx, err); err != nil {
			return err
		}
	}
}
