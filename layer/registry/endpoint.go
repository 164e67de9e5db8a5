package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

type endpointKey struct{ scheme, host, repo, actions string }

// endpoint is one repository on one host, with the token for it.
type endpoint struct {
	endpointKey
	c    *Client
	http *http.Client
	// authHost is where the credentials may go: the address, not the name, since
	// docker.io is served by index.docker.io.
	authHost string

	mu        sync.Mutex
	challenge challenge
	header    string    // Authorization; empty until asked for
	expires   time.Time // zero when not known
	mounts    []string  // repositories that the token must be able to read
	closed    []string  // repositories that no token is to be asked for again
	known     knowledge
}

const (
	pull     = "pull"
	pullPush = "pull,push"
)

func (c *Client) endpoint(repo name.Repository, actions string) *endpoint {
	return c.endpointAt(endpointKey{c.scheme(repo.Registry), repo.RegistryStr(), repo.RepositoryStr(), actions})
}

func (c *Client) endpointAt(key endpointKey) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.endpoints[key]; e != nil {
		return e
	}
	e := &endpoint{endpointKey: key, c: c, authHost: key.host}
	e.http = &http.Client{
		Transport:     authTransport{e, c.opt.Transport},
		CheckRedirect: e.checkRedirect,
	}
	c.endpoints[key] = e
	return e
}

var errDowngrade = errors.New("refusing a redirect from https")

// checkRedirect follows where a blob is stored, never from https to http.
// Credentials do not follow: authTransport looks at each request's host.
func (e *endpoint) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w to %s", errDowngrade, redact(req.URL))
	}
	return nil
}

// authTransport adds the endpoint's credentials to requests to its own host only.
type authTransport struct {
	e    *endpoint
	base http.RoundTripper
}

func (t authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	req.Header.Set("User-Agent", t.e.c.opt.UserAgent)
	if req.URL.Host == t.e.authHost && req.URL.Scheme == t.e.scheme {
		h, err := t.e.authorization(req.Context())
		if err != nil {
			return nil, err
		}
		if h != "" {
			req.Header.Set("Authorization", h)
		}
	}
	return t.base.RoundTrip(req)
}

func (e *endpoint) url(format string, args ...any) string {
	return e.scheme + "://" + e.authHost + "/v2/" + e.repo + "/" + fmt.Sprintf(format, args...)
}

// base is the address that relative Locations are read against.
func (e *endpoint) base() (*url.URL, error) { return url.Parse(e.scheme + "://" + e.authHost + "/") }

// call is one request, with content that can be sent again, a body that can
// not, or neither.
type call struct {
	method, url string
	header      http.Header
	content     []byte
	sent        *counter // of content's bytes; nil counts none
	body        io.Reader
	length      int64
}

// fresh is the content from its start.
func (c call) fresh() io.ReadCloser {
	r := io.Reader(bytes.NewReader(c.content))
	if c.sent != nil {
		r = c.sent.reader(r)
	}
	return io.NopCloser(r)
}

// do sends the call and returns an answer whose status is in ok, or an error.
// A 401 renews the token: the call is then sent once more, unless its body
// cannot be: that ends in errRenewed.
func (e *endpoint) do(ctx context.Context, c call, ok ...int) (*http.Response, error) {
	for again := false; ; again = true {
		used := e.usedHeader()
		resp, err := e.send(ctx, c)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ok, resp.StatusCode) {
			return resp, nil
		}
		serr := statusError(resp)
		if resp.StatusCode != http.StatusUnauthorized || resp.Request.URL.Host != e.authHost || again {
			return nil, serr
		}
		if err := e.renew(ctx, resp, used); errors.Is(err, errRefused) {
			return nil, serr
		} else if err != nil {
			return nil, err
		}
		if c.body != nil {
			return nil, fmt.Errorf("%w: %w", serr, errRenewed)
		}
	}
}

func (e *endpoint) usedHeader() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.header
}

func (e *endpoint) send(ctx context.Context, c call) (*http.Response, error) {
	var body io.Reader
	if c.body != nil {
		body = io.NopCloser(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, body)
	if err != nil {
		return nil, plainError(err)
	}
	maps.Copy(req.Header, c.header)
	req.ContentLength = c.length
	if len(c.content) > 0 {
		req.Body, req.ContentLength = c.fresh(), int64(len(c.content))
		req.GetBody = func() (io.ReadCloser, error) { return c.fresh(), nil }
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, distrusted(plainError(err))
	}
	return resp, nil
}

// permanent tells errors that no retry heals although they come from below HTTP.
func permanent(err error) bool {
	if errors.Is(err, errDowngrade) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return true
	}
	for _, target := range []any{
		new(*CredentialsError), new(*DigestError), new(*SizeError), new(*PlatformError),
		new(*ResentError), new(*GiveUpError), new(*LocationError),
		new(*tls.CertificateVerificationError), new(tls.RecordHeaderError), new(tls.AlertError),
	} {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}
