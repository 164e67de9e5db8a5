package index

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
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
	RetryAfter time.Duration // what the server asked for; 0: nothing
}

func newStatusError(url string, resp *http.Response) *StatusError {
	return &StatusError{URL: Redact(url), Code: resp.StatusCode, Status: resp.Status, RetryAfter: retryAfter(resp.Header)}
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("%s answers %s", e.URL, e.Status)
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return msg + "; check the user and password of the index"
	case http.StatusGone:
		return msg + "; the file was withdrawn"
	}
	return msg
}

// NotFoundError says that an index does not know a distribution.
type NotFoundError struct{ Name, Index string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no distribution %s at %s; check the name, and which index it is on", e.Name, e.Index)
}

// MismatchError says that the bytes behind a URL are not those that were
// pinned. Nothing of them is left on disk.
type MismatchError struct {
	Name, File, URL   string // URL without credentials
	Want, Got         string // sha256, lower-case hex; Got is empty when the size already told
	WantSize, GotSize int64  // WantSize 0: not pinned
}

func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checking %s from %s: ", e.File, e.URL)
	if e.Got != "" {
		fmt.Fprintf(&b, "sha256 is %s, pinned is %s", e.Got, e.Want)
	} else {
		fmt.Fprintf(&b, "it has %d bytes, pinned are %d", e.GotSize, e.WantSize)
	}
	b.WriteString("; something between here and the index changed it, or upstream replaced it: try again, and if it stays so run")
	fmt.Fprintf(&b, " `sparkwheel lock --upgrade=%s`", e.Name)
	return b.String()
}

// TooLargeError says that a file has more bytes than its pin's Limit.
type TooLargeError struct {
	File, URL string // URL without credentials
	Limit     int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("it has more than the %d bytes that it may have", e.Limit)
}

// GoneError says that a pinned file is no longer where the lock says.
type GoneError struct {
	Name, File string
	Cause      *StatusError
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("fetching %s: %v; fetch it from a bundle that has it, or run `sparkwheel lock --upgrade=%s`", e.File, e.Cause, e.Name)
}

func (e *GoneError) Unwrap() error { return e.Cause }

// AnswerError says that an index answered with something that is no simple
// API: its address (without credentials) and what is wrong.
type AnswerError struct{ URL, Msg string }

func (e *AnswerError) Error() string {
	return fmt.Sprintf("reading the answer of %s: %s", e.URL, e.Msg)
}
