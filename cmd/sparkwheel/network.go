package main

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
)

// network carries the requests of git, indexes and registries: one policy of
// attempts and waits, of which the stage that waits tells the user.
func (a *app) network() http.RoundTripper {
	if a.wire == nil {
		a.wire = newWire(nil)
	}
	return a.wire
}

// newWire is the network with TLS of its own; nil is the system's.
func newWire(conf *tls.Config) http.RoundTripper {
	return transport.New(transport.Base(conf, http.ProxyFromEnvironment), transport.Options{
		Notice: func(ctx context.Context, n transport.Notice) { stage.Tell(ctx, "%s", n) },
	})
}
