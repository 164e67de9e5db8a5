// Package registry speaks the OCI distribution protocol: it resolves, pulls,
// pushes and attaches, going on where a connection broke off, and it serves
// images read-only. Start with New; Push and Pull are the heart.
package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options say how a Client behaves. The zero value of every field is a usable
// default.
type Options struct {
	// Transport carries the requests: it does TLS and proxies, repeats what got no
	// answer, waits as registries ask and ends what stands still. nil is
	// http.DefaultTransport, which does neither of the last three.
	Transport http.RoundTripper
	// Keychain finds credentials by host; nil is anonymous. What it gives for
	// one host is never sent to another, but to a token server over https.
	Keychain authn.Keychain
	// Mirrors sends pulls from a registry host (docker.io) to another first:
	// host[:port][/prefix], or with http:// before it. Pushes never use them.
	Mirrors map[string]string
	// PlainHTTP speaks http to every registry; without it only to loopback.
	PlainHTTP bool
	// HTTPS speaks https to loopback too.
	HTTPS bool
	// Sessions is a directory where unfinished uploads are remembered, so that
	// a later Client goes on with them; empty remembers nothing.
	Sessions string
	// Jobs is how many layers are sent at once (default 4).
	Jobs int
	// Chunk is how many bytes one request of an upload carries at first (default
	// 64 MiB: proxies are known to refuse 100 MB). With Now set it doubles, up to
	// 16 times that, while one takes less than a second and nothing goes wrong.
	Chunk int64
	// Attempts is how often in a row an upload or a download may break off
	// without any progress before the error is returned (default 6).
	Attempts int
	// Now tells when a token runs out and how long a chunk took; nil renews
	// tokens when one is refused, and chunks stay as they are.
	Now func() time.Time
	// UserAgent names the program to registries.
	UserAgent string
}

// A Client talks to any number of registries. It is safe for concurrent use
// and remembers tokens and where pulled layers came from; make one a run.
type Client struct {
	opt Options

	mu        sync.Mutex
	endpoints map[endpointKey]*endpoint
	origins   map[v1.Hash]origin
	mounts    map[v1.Hash]name.Repository
}

// New returns a Client; it opens no connection.
func New(opt Options) *Client {
	if opt.Transport == nil {
		opt.Transport = http.DefaultTransport
	}
	if opt.Keychain == nil {
		opt.Keychain = anonymous{}
	}
	if opt.Jobs < 1 {
		opt.Jobs = 4
	}
	if opt.Chunk < 1 {
		opt.Chunk = 64 << 20
	}
	if opt.Attempts < 1 {
		opt.Attempts = 6
	}
	if opt.UserAgent == "" {
		opt.UserAgent = "sparkwheel"
	}
	return &Client{
		opt:       opt,
		endpoints: map[endpointKey]*endpoint{},
		origins:   map[v1.Hash]origin{},
		mounts:    map[v1.Hash]name.Repository{},
	}
}

// TLS returns a configuration that trusts the system's authorities and those
// in ca (PEM, may be empty), and offers certs to servers that ask for one.
func TLS(ca []byte, certs ...tls.Certificate) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certs}
	if len(ca) == 0 {
		return conf, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("reading the CA certificate: no certificate in PEM form found")
	}
	conf.RootCAs = pool
	return conf, nil
}

type anonymous struct{}

func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// scheme is https unless the host is this machine or plain http was asked for.
func (c *Client) scheme(reg name.Registry) string {
	if !c.opt.HTTPS && (c.opt.PlainHTTP || isLoopback(reg.RegistryStr())) {
		return "http"
	}
	return "https"
}

func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
