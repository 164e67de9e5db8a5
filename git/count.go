package git

import (
	"io"
	"net/http"
	"sync/atomic"
)

// countingTransport counts the bytes of every answer.
type countingTransport struct {
	base     http.RoundTripper
	received *atomic.Int64
}

var _ http.RoundTripper = countingTransport{}

// RoundTrip implements http.RoundTripper.
func (t countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body := &countingBody{resp.Body, resp.Body, t.received}
	if resp.StatusCode >= http.StatusMultipleChoices {
		// go-git reads the page of a refusal into memory, however long it is.
		body.r = io.LimitReader(resp.Body, 64<<10)
	}
	resp.Body = body
	return resp, nil
}

type countingBody struct {
	r io.Reader
	io.Closer
	received *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.received.Add(int64(n))
	return n, err
}
