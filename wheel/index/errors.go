package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrOffline is what a call gets that would open a connection on a Client that
// is Offline.
var ErrOffline = errors.New("working offline")

// StatusError is an answer that is no file: URL (without credentials), Code
// and the server's words for it.
type StatusError struct {
	URL        string
	Code       int
	Status     string
	RetryAfter string // what the server asked for, in its words; "": nothing
}

func newStatusError(url string, resp *http.Response) *StatusError {
	return &StatusError{URL: Redact(url), Code: resp.StatusCode, Status: resp.Status, RetryAfter: resp.Header.Get("Retry-After")}
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("%s answers %s", e.URL, e.Status)
	if e.RetryAfter != "" {
		msg += fmt.Sprintf(" (Retry-After: %.40q)", e.RetryAfter)
	}
	if e.Code == http.StatusGone {
		return msg + "; the file was removed from the index"
	}
	return msg
}

// NotFoundError says that an index does not know a distribution.
type NotFoundError struct{ Name, Index string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("distribution %s is not at %s", e.Name, e.Index)
}

// PinError says that a pin cannot be fetched as it is: it has no sha256, or a
// URL that is not one of https or http.
type PinError struct{ File, Msg string }

func (e *PinError) Error() string { return fmt.Sprintf("fetching %s: %s", e.File, e.Msg) }

// PylockError says that a pylock.toml cannot be read, or holds an entry that
// cannot be fetched. File has line and column where they are known.
type PylockError struct {
	File string
	Err  error
}

func (e *PylockError) Error() string { return fmt.Sprintf("reading %s: %v", e.File, e.Err) }
func (e *PylockError) Unwrap() error { return e.Err }

// MismatchError says that the bytes behind a URL are not those that were
// pinned. Nothing of them is left on disk.
type MismatchError struct {
	Name, File, URL   string // URL without credentials
	Want, Got         string // lower-case hex; Got is empty when the size already told
	Algorithm         string // of the two; "" is sha256
	WantSize, GotSize int64  // WantSize 0: not pinned
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checking %s from %s: ", e.File, e.URL)
	if e.Got != "" {
		fmt.Fprintf(&b, "%s is %s, but %s is pinned", cmp.Or(e.Algorithm, "sha256"), e.Got, e.Want)
	} else {
		fmt.Fprintf(&b, "it has %d bytes, but %d are pinned", e.GotSize, e.WantSize)
	}
	b.WriteString("; something between here and the index changed it, or upstream replaced it")
	return b.String()
}

// TooLargeError says that a file has more bytes than its pin's Limit.
type TooLargeError struct {
	File, URL string // URL without credentials
	Limit     int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("it has more than %d bytes", e.Limit)
}

// GoneError says that a pinned file is no longer at the URL of its pin.
type GoneError struct {
	Name, File string
	Origin     string // of the pin
	Cause      *StatusError
}

func (e *GoneError) Error() string {
	if e.Origin != "" {
		return fmt.Sprintf("fetching %s (pinned in %s): %v", e.File, e.Origin, e.Cause)
	}
	return fmt.Sprintf("fetching %s: %v", e.File, e.Cause)
}

func (e *GoneError) Unwrap() error { return e.Cause }

// AnswerError says that an index answered with something that is no simple
// API: its address (without credentials) and what is wrong.
type AnswerError struct{ URL, Msg string }

func (e *AnswerError) Error() string {
	return fmt.Sprintf("reading the response of %s: %s", e.URL, e.Msg)
}

// brokenError is an answer that broke off, or did not go on where it was asked
// to: another request may bring the rest.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// whole runs try until its answer does not break off, or does so too often in
// a row without progress. What got no answer was repeated by the transport.
func whole(ctx context.Context, try func() (moved bool, err error)) error {
	for failures := 1; ; failures++ {
		moved, err := try()
		if _, broken := errors.AsType[*brokenError](err); !broken || ctx.Err() != nil {
			return err
		}
		if moved {
			failures = 1
		}
		if failures >= attempts {
			return err
		}
	}
}
