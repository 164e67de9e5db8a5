package git

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// idleTransport ends requests that stand still, and counts the bytes of every
// answer.
type idleTransport struct {
	base     http.RoundTripper
	idle     time.Duration
	received *atomic.Int64
}

var _ http.RoundTripper = (*idleTransport)(nil)

// idleError says that a server sent nothing for the time given.
type idleError time.Duration

func (e idleError) Error() string {
	return fmt.Sprintf("the server sent nothing for %s", time.Duration(e))
}

// RoundTrip implements http.RoundTripper.
func (t *idleTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(t.idle, func() { cancel(idleError(t.idle)) })
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		defer cancel(nil)
		if idle, ok := context.Cause(ctx).(idleError); ok {
			return nil, idle
		}
		return nil, err
	}
	resp.Body = &idleBody{body: resp.Body, ctx: func() error { return context.Cause(ctx) }, cancel: cancel, timer: timer, t: t}
	return resp, nil
}

type idleBody struct {
	body   io.ReadCloser
	ctx    func() error
	cancel context.CancelCauseFunc
	timer  *time.Timer
	t      *idleTransport
}

func (b *idleBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.t.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.t.received.Add(int64(n))
	if err != nil && err != io.EOF {
		if idle, ok := b.ctx().(idleError); ok {
			err = idle
		}
	}
	return n, err
}

func (b *idleBody) Close() error {
	b.timer.Stop()
	err := b.body.Close()
	b.cancel(nil)
	return err
}
