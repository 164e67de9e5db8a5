package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// CredentialsError says that the credentials for a host could not be had or
// were refused; it never holds them.
type CredentialsError struct {
	Host string
	Err  error
}

func (e *CredentialsError) Error() string {
	return fmt.Sprintf("credentials for %s: %s", e.Host, e.Err)
}

func (e *CredentialsError) Unwrap() error { return e.Err }

// challenge is one WWW-Authenticate (RFC 9110 section 11.6.1).
type challenge struct {
	scheme string // in lower case
	params map[string]string
}

// parseChallenges reads the headers; what it does not understand it leaves out.
func parseChallenges(h http.Header) []challenge {
	var out []challenge
	for _, v := range h.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		c := challenge{strings.ToLower(scheme), map[string]string{}}
		for rest = strings.TrimLeft(rest, " ,"); rest != ""; rest = strings.TrimLeft(rest, " ,") {
			key, after, ok := strings.Cut(rest, "=")
			if !ok {
				break
			}
			var val string
			val, rest = authParam(strings.TrimLeft(after, " "))
			c.params[strings.ToLower(strings.TrimSpace(key))] = val
		}
		out = append(out, c)
	}
	return out
}

// authParam reads a token or a quoted string and returns what follows it.
func authParam(s string) (val, rest string) {
	if !strings.HasPrefix(s, `"`) {
		val, rest, _ = strings.Cut(s, ",")
		return strings.TrimSpace(val), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			i++
			if i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// authorization returns the header for the next request, empty before the
// registry has asked for one. A token about to run out is renewed first, so
// that no gigabyte is sent with it in vain.
func (e *endpoint) authorization(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.c.opt.Now; now != nil && !e.expires.IsZero() && now().After(e.expires) {
		if err := e.exchange(ctx); err != nil {
			return "", err
		}
	}
	return e.header, nil
}

// renew answers a 401 on a request that was sent with the header used. When
// another request has renewed it meanwhile there is nothing to do.
func (e *endpoint) renew(ctx context.Context, resp *http.Response, used string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.header != used {
		return nil
	}
	for _, ch := range parseChallenges(resp.Header) {
		switch ch.scheme {
		case "bearer":
			e.challenge = ch
			return e.exchange(ctx)
		case "basic":
			header, err := e.basic(ctx)
			if err != nil {
				return err
			}
			if header == "" || header == used {
				return errRefused
			}
			e.header = header
			return nil
		}
	}
	return errRefused
}

var errRefused = errors.New("refused")

func (e *endpoint) credentials(ctx context.Context) (*authn.AuthConfig, error) {
	auth, err := authn.Resolve(ctx, e.c.opt.Keychain, resource{e.host, e.repo})
	if err != nil {
		return nil, &CredentialsError{e.host, err}
	}
	conf, err := authn.Authorization(ctx, auth)
	if err != nil {
		return nil, &CredentialsError{e.host, err}
	}
	return conf, nil
}

func (e *endpoint) basic(ctx context.Context) (string, error) {
	conf, err := e.credentials(ctx)
	if err != nil {
		return "", err
	}
	return basicHeader(conf), nil
}

func basicHeader(conf *authn.AuthConfig) string {
	switch {
	case conf.RegistryToken != "":
		return "Bearer " + conf.RegistryToken
	case conf.Auth != "":
		return "Basic " + conf.Auth
	case conf.Username != "" || conf.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(conf.Username+":"+conf.Password))
	}
	return ""
}

// exchange fetches a token for the repository; e.mu is held.
func (e *endpoint) exchange(ctx context.Context) error {
	conf, err := e.credentials(ctx)
	if err != nil {
		return err
	}
	if conf.RegistryToken != "" {
		if e.header == "Bearer "+conf.RegistryToken {
			return errRefused
		}
		e.header = "Bearer " + conf.RegistryToken
		return nil
	}
	req, err := e.tokenRequest(ctx, conf)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     e.c.opt.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s for a token: %w", req.URL.Host, plainError(err))
	}
	if resp.StatusCode != http.StatusOK {
		return &CredentialsError{e.host, fmt.Errorf("asking for a token: %w", statusError(resp))}
	}
	defer resp.Body.Close()
	var doc struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&doc); err != nil {
		return &CredentialsError{e.host, errors.New("the token server's answer is not JSON")}
	}
	if doc.Token == "" {
		doc.Token = doc.AccessToken
	}
	if doc.Token == "" {
		return &CredentialsError{e.host, errors.New("the token server gave no token")}
	}
	e.header = "Bearer " + doc.Token
	e.expires = time.Time{}
	if now := e.c.opt.Now; now != nil {
		// 60 seconds when nothing is said: distribution-spec's token page. A
		// tenth is left for the way.
		life := time.Duration(max(doc.ExpiresIn, 60)) * time.Second
		e.expires = now().Add(life * 9 / 10)
	}
	return nil
}

// tokenRequest asks by GET with basic credentials, or by OAuth2's POST when
// the keychain holds a refresh token.
func (e *endpoint) tokenRequest(ctx context.Context, conf *authn.AuthConfig) (*http.Request, error) {
	realm, err := e.realm()
	if err != nil {
		return nil, err
	}
	scopes := e.tokenScopes()
	if conf.IdentityToken != "" {
		form := url.Values{
			"grant_type":    {"refresh_token"},
			"refresh_token": {conf.IdentityToken},
			"client_id":     {e.c.opt.UserAgent},
			"service":       {e.challenge.params["service"]},
			"scope":         {strings.Join(scopes, " ")},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return nil, fmt.Errorf("asking %s for a token: %w", realm.Host, err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req, nil
	}
	q := realm.Query()
	if s := e.challenge.params["service"]; s != "" {
		q.Set("service", s)
	}
	q["scope"] = scopes
	realm.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s for a token: %w", realm.Host, err)
	}
	if h := basicHeader(conf); h != "" {
		req.Header.Set("Authorization", h)
	}
	return req, nil
}

// realm is the token server. Credentials go there, so it must be reached over
// https unless it is on this machine or the registry's own host.
func (e *endpoint) realm() (*url.URL, error) {
	u, err := url.Parse(e.challenge.params["realm"])
	if err != nil || u.Host == "" {
		return nil, &CredentialsError{e.host, errors.New("its challenge has no token server")}
	}
	plain := u.Scheme == "http" && e.scheme == "http" && (u.Hostname() == hostname(e.host) || isLoopback(u.Host))
	if u.Scheme != "https" && !plain {
		return nil, &CredentialsError{e.host, fmt.Errorf("its token server %s does not use https", redact(u))}
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}

func (e *endpoint) tokenScopes() []string {
	scopes := []string{"repository:" + e.repo + ":" + e.actions}
	for _, from := range e.mounts {
		scopes = append(scopes, "repository:"+from+":pull")
	}
	return scopes
}

// resource is what a keychain is asked about.
type resource struct{ host, repo string }

func (r resource) String() string      { return r.host + "/" + r.repo }
func (r resource) RegistryStr() string { return r.host }

func hostname(hostport string) string { return (&url.URL{Host: hostport}).Hostname() }
