package registry

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// StatusError is an answer of a registry that is not the one hoped for. It
// never holds credentials: the URL is without its query.
type StatusError struct {
	Method, URL string
	Status      int
	// Code and Message are the first of the registry's own errors, if it gave any.
	Code, Message string
	// RequestID is what the registry's operators find the request by; "" when
	// the answer holds none.
	RequestID string
	// RetryAfter is what the registry asked to wait, in its words: seconds or a
	// date. It is empty when it did not, and longer than the transport waits.
	RetryAfter string
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("%s %s: %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		msg += ": " + e.Code
	}
	if e.Message != "" {
		msg += ": " + e.Message
	}
	if e.RetryAfter != "" {
		msg += fmt.Sprintf(" (Retry-After: %s)", e.RetryAfter)
	}
	if e.RequestID != "" {
		msg += fmt.Sprintf(" (request id %s)", e.RequestID)
	}
	return msg
}

// BlobError says which blob of a push could not be sent. Who knows what is in
// it can say so.
type BlobError struct {
	Digest v1.Hash
	Size   int64
	Err    error
}

func (e *BlobError) Error() string {
	return fmt.Sprintf("sending %s (%d bytes): %s", e.Digest, e.Size, e.Err)
}

func (e *BlobError) Unwrap() error { return e.Err }

// ResentError ends an upload that would send a blob a third time; Err is why
// the registry does not have it.
type ResentError struct {
	Size, Sent int64
	Err        error
}

func (e *ResentError) Error() string {
	return fmt.Sprintf("not sending it a third time (%d bytes sent): %s", e.Sent, e.Err)
}

func (e *ResentError) Unwrap() error { return e.Err }

// DigestError says that content is not what its digest promises, or that a
// registry claims another digest for what it was sent.
type DigestError struct {
	What      string
	Want, Got v1.Hash
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s is %s, not %s", e.What, e.Got, e.Want)
}

// SizeError says that content is longer or shorter than its descriptor says.
type SizeError struct {
	What      string
	Want, Got int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, not %d", e.What, e.Got, e.Want)
}

// PlatformError says that an index holds no image for the platform wanted.
type PlatformError struct {
	Ref  string
	Want v1.Platform
	Have []v1.Platform
}

func (e *PlatformError) Error() string {
	have := make([]string, len(e.Have))
	for i, p := range e.Have {
		have[i] = p.String()
	}
	slices.Sort(have)
	return fmt.Sprintf("%s has no image for %s; it has %s", e.Ref, e.Want, strings.Join(slices.Compact(have), ", "))
}

// LocationError is an upload address that cannot be used.
type LocationError struct{ Location, Reason string }

func (e *LocationError) Error() string {
	return fmt.Sprintf("upload location %q: %s", e.Location, e.Reason)
}

// GiveUpError ends a run of attempts that brought no progress; it wraps the last one's error.
type GiveUpError struct {
	Attempts int
	Err      error
}

func (e *GiveUpError) Error() string {
	return fmt.Sprintf("gave up after %d attempts without progress: %s", e.Attempts, e.Err)
}

func (e *GiveUpError) Unwrap() error { return e.Err }

// maxErrorBody bounds what is read of a refusal.
const maxErrorBody = 16 << 10

// requestIDs are the headers in which products name a request, Amazon's,
// Azure's, GitHub's, Cloudflare's among them.
var requestIDs = []string{"X-Request-Id", "X-Amzn-Requestid", "X-Amz-Request-Id", "X-Ms-Correlation-Request-Id", "X-Ms-Request-Id", "X-Github-Request-Id", "X-Oss-Request-Id", "Eagleeye-Traceid", "Cf-Ray"}

// statusError reads and closes the answer.
func statusError(resp *http.Response) *StatusError {
	defer resp.Body.Close()
	e := &StatusError{
		Method:     resp.Request.Method,
		URL:        redact(resp.Request.URL),
		Status:     resp.StatusCode,
		RetryAfter: printable(resp.Header.Get("Retry-After")),
	}
	for _, name := range requestIDs {
		if id := resp.Header.Get(name); id != "" && e.RequestID == "" {
			e.RequestID = printable(id)
		}
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e.Code, e.Message = said(resp.Header.Get("Content-Type"), body)
	return e
}

// said is what a refusal says: the first of the specification's errors, else a
// message as other products write it, else its plain text.
func said(media string, body []byte) (code, message string) {
	var doc struct {
		Errors []struct {
			Code, Message string
			Detail        json.RawMessage
		}
		Message, Error string
	}
	if json.Unmarshal(body, &doc) == nil {
		if len(doc.Errors) == 0 {
			return "", printable(cmp.Or(doc.Message, doc.Error))
		}
		first := doc.Errors[0]
		var detail string
		if json.Unmarshal(first.Detail, &detail) == nil && detail != first.Message {
			first.Message = strings.TrimPrefix(first.Message+": "+detail, ": ")
		}
		return printable(first.Code), printable(first.Message)
	}
	if strings.HasPrefix(media, "text/plain") {
		return "", printable(strings.TrimSpace(string(body)))
	}
	return "", ""
}

// printable keeps a hostile registry from writing to the user's terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 300)]
}

// redact drops what may hold secrets: the query (upload states, signed
// storage URLs) and user information.
func redact(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// plainError takes the query out of the URL that net/http puts into its errors.
func plainError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, perr := url.Parse(e.URL); perr == nil {
			return &url.Error{Op: e.Op, URL: redact(u), Err: e.Err}
		}
		return e.Err
	}
	return err
}

// TrustError is a connection that cannot be trusted: the registry's certificate
// is not of a known authority, or (PlainHTTP) the registry speaks HTTP where
// HTTPS was expected.
type TrustError struct {
	PlainHTTP bool
	Err       error
}

func (e *TrustError) Error() string { return e.Err.Error() }
func (e *TrustError) Unwrap() error { return e.Err }

// distrusted is a *TrustError where err is one of the transport that it covers.
func distrusted(err error) error {
	plain := errors.Is(err, http.ErrSchemeMismatch)
	if plain || errors.As(err, new(*tls.CertificateVerificationError)) {
		return &TrustError{PlainHTTP: plain, Err: err}
	}
	return err
}

func hasStatus(err error, codes ...int) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && slices.Contains(codes, e.Status)
}
