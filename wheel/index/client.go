// Package index asks a Python package index what there is, brings the files
// that a lock pins, and reads the lock of an environment (pylock.toml).
//
// Start with Client.Files (what there is), Client.Fetch (bring it),
// ParsePylock and Pylock.Select (which wheels a target needs).
package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Default is the public index: the one asked when the user set up no other
// (Settings.Index).
const Default = "https://pypi.org/simple/"

const (
	// attempts is how often in a row an answer may break off without progress.
	attempts = 5
	// The largest simple page known, of an index of nightly builds, has 20 MB.
	defaultMaxAnswer = 64 << 20
)

// Client talks to indexes. The zero value asks Default over
// http.DefaultClient. It is safe for concurrent use as long as its fields are
// not changed.
type Client struct {
	// HTTP makes the requests; nil means http.DefaultClient. Its transport repeats
	// what got no answer, waits as servers ask and ends what stands still; the
	// Client itself goes on where an answer broke off. Redirects from https to
	// http are refused unless it has a CheckRedirect of its own.
	HTTP *http.Client
	// Index is the base URL of the simple API; empty means Default. Its
	// user:password, if any, is sent to that scheme and host only and stands in
	// no error, File or Pin.
	Index string
	// Extra names the index of some distributions, by normalised name: what
	// stands here is asked there and nowhere else.
	Extra map[string]string
	// Credentials answers for hosts whose index URL holds none; nil: none.
	Credentials func(host string) (user, password string, ok bool)
	// Rewrite sends downloads elsewhere: it gets a pinned URL and returns the one
	// to ask, which may hold a user and password. nil asks the pinned one.
	Rewrite func(url string) string
	// Offline makes every call that would open a connection return ErrOffline.
	Offline bool
	// MaxAnswer is how many bytes a page of the simple API may have; 0 means 64
	// MiB.
	MaxAnswer int64
}

// indexOf returns the base URL, ending in a slash, that is asked for a
// normalised name.
func (c *Client) indexOf(name string) (*url.URL, error) {
	base, ok := c.Extra[name]
	if !ok {
		base = c.Index
	}
	if base == "" {
		base = Default
	}
	return parseIndexURL(base)
}

func parseIndexURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("reading the index URL %q: not a URL", Redact(s))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("reading the index URL %q: only http:// and https:// are supported", Redact(s))
	}
	u.RawQuery, u.Fragment = "", ""
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return u, nil
}

// get makes one request, once. The caller closes the body. Any answer but
// those in ok is a *StatusError.
func (c *Client) get(ctx context.Context, u *url.URL, header http.Header, ok ...int) (*http.Response, error) {
	if c.Offline {
		return nil, ErrOffline
	}
	bare := *u
	bare.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	if user, password, found := c.credentials(u); found {
		req.SetBasicAuth(user, password)
	}
	resp, err := c.httpClient().Do(req)
	if err != nil {
		return nil, bareCause(ctx, err)
	}
	if slices.Contains(ok, resp.StatusCode) {
		return resp, nil
	}
	resp.Body.Close()
	return nil, newStatusError(bare.String(), resp)
}

// bareCause drops the URL that http.Client puts before each error: callers
// name what they were fetching themselves, once.
func bareCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (c *Client) httpClient() *http.Client {
	hc := http.DefaultClient
	if c.HTTP != nil {
		hc = c.HTTP
	}
	if hc.CheckRedirect != nil {
		return hc
	}
	own := *hc
	own.CheckRedirect = checkRedirect
	return &own
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than ten redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to %s", Redact(req.URL.String()))
	}
	return nil
}

// credentials finds what to send with a request to u: the user information of
// the configured index with the same origin, then the caller's own.
func (c *Client) credentials(u *url.URL) (user, password string, ok bool) {
	if u.User != nil {
		password, _ = u.User.Password()
		return u.User.Username(), password, true
	}
	for _, base := range c.bases() {
		b, err := url.Parse(base)
		if err == nil && b.User != nil && b.Scheme == u.Scheme && b.Host == u.Host {
			password, _ = b.User.Password()
			return b.User.Username(), password, true
		}
	}
	if c.Credentials != nil {
		return c.Credentials(u.Host)
	}
	return "", "", false
}

func (c *Client) bases() []string {
	bases := []string{c.Index}
	for _, name := range sortedKeys(c.Extra) {
		bases = append(bases, c.Extra[name])
	}
	return bases
}

// Redact returns a URL without its user, password, query and fragment, fit for
// logs and locks. What is no URL comes back without all that stands before its
// last @.
func Redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return s[strings.LastIndexByte(s, '@')+1:]
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
