package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StatusError is an answer that asks for another attempt.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
}

// fault is a failure that another attempt may heal.
type fault struct {
	cause error
	after time.Duration // what the server asked to wait; 0 when it did not
}

// judge returns nil for what needs no other attempt: an answer for the caller,
// an error that would come again, the caller's own end.
func judge(ctx context.Context, resp *http.Response, err error) *fault {
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil && permanent(err):
		return nil
	case err != nil:
		return &fault{cause: err}
	case passing(resp.StatusCode):
		return &fault{&StatusError{resp.StatusCode}, retryAfter(resp.Header)}
	}
	return nil
}

// passing tells which answers may be others later.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499: // 499: nginx, the client went away
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// permanent tells errors below HTTP that would come again.
func permanent(err error) bool {
	if errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, http.ErrSkipAltProtocol) || errors.Is(err, context.Canceled) {
		return true
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return true
	}
	for _, target := range []any{new(*tls.CertificateVerificationError), new(tls.RecordHeaderError), new(tls.AlertError), new(*net.AddrError)} {
		if errors.As(err, target) {
			return true
		}
	}
	return strings.Contains(err.Error(), "unsupported protocol scheme")
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

// wait is how long to pause after so many failures in a row.
func (t *Transport) wait(failures int, f *fault) time.Duration {
	if f.after > 0 {
		// Not all clients at the same moment.
		return f.after + t.opt.Jitter(t.opt.First)
	}
	return t.opt.Jitter(min(t.opt.Top, t.opt.First<<min(failures-1, 16)))
}
