package git

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// httpRemote is what a request that go-git has no call for needs.
type httpRemote struct {
	client *http.Client
	base   string // URL of the repository
	auth   githttp.AuthMethod
}

// connectHTTP makes r speak to an HTTP server.
func (m *Mirrors) connectHTTP(r *remote, to address) error {
	endpoint, err := transport.NewEndpoint(to.url.String())
	if err != nil {
		return fmt.Errorf("the URL cannot be read")
	}
	client := &http.Client{Transport: &smartTransport{countingTransport{m.transport(), r.received}, r.url}}
	auth := m.auth(endpoint)
	plain := *to.url
	plain.User = nil
	r.http = &httpRemote{client: client, base: strings.TrimRight(plain.String(), "/")}
	opened, err := githttp.NewClientWithOptions(client, nil).NewUploadPackSession(endpoint, auth)
	if err != nil {
		return err
	}
	if auth == nil && endpoint.User != "" {
		auth = &githttp.BasicAuth{Username: endpoint.User, Password: endpoint.Password}
	}
	r.http.auth, _ = auth.(githttp.AuthMethod)
	r.open = func(context.Context) (session, error) { return opened, nil }
	return nil
}

// auth picks the credentials of an endpoint: its URL's own before those that
// Mirrors.Credentials knows.
func (m *Mirrors) auth(e *transport.Endpoint) transport.AuthMethod {
	if e.User != "" || m.Credentials == nil {
		return nil
	}
	host := e.Host
	if e.Port != 0 {
		host = fmt.Sprintf("%s:%d", host, e.Port)
	}
	user, password, ok := m.Credentials(host)
	switch {
	case !ok:
		return nil
	case user == "":
		return &githttp.TokenAuth{Token: password}
	}
	return &githttp.BasicAuth{Username: user, Password: password}
}

// NotSmartError says that what answers at a URL does not speak git's protocol
// over HTTP. Dumb is a repository that is served as plain files.
type NotSmartError struct {
	URL  string
	Dumb bool
	Type string // the content type of what came instead
}

func (e *NotSmartError) Error() string {
	if e.Dumb {
		return "the server offers the repository as plain files (dumb HTTP), but only the smart protocol is supported: use git http-backend or another git server"
	}
	return fmt.Sprintf("the server is not a git server: it sent %q", e.Type)
}

// smartTransport refuses answers to a question for refs that are no git
// server's, before they are parsed as one's.
type smartTransport struct {
	base http.RoundTripper
	url  string
}

var _ http.RoundTripper = (*smartTransport)(nil)

// RoundTrip implements http.RoundTripper.
func (t *smartTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK || req.Method != http.MethodGet {
		return resp, err
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/x-git-upload-pack-advertisement" {
		return resp, nil
	}
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	// A dumb server's list is lines of SHA, tab and name; an empty one's is empty.
	sha, _, _ := bytes.Cut(head, []byte("\t"))
	return nil, &NotSmartError{URL: t.url, Dumb: isSHA(string(sha)), Type: resp.Header.Get("Content-Type")}
}
