package registry_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// guarded is a registry behind bearer tokens, each good for a few requests.
type guarded struct {
	inner http.Handler
	lives int // how many requests one token is good for

	mu     sync.Mutex
	left   map[string]int
	issued int
	scopes []string
	refuse bool // the token server refuses
}

const user, password = "wheel", "s3cret-word"

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	tok := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if g.left[tok] == 0 {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test \"quoted\"",scope="repository:x:pull"`, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.left[tok]--
	g.inner.ServeHTTP(w, r)
}

func (g *guarded) token(w http.ResponseWriter, r *http.Request) {
	if u, p, _ := r.BasicAuth(); u != user || p != password || g.refuse {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.issued++
	tok := fmt.Sprintf("token-%d", g.issued)
	g.left[tok] = g.lives
	g.scopes = append(g.scopes, r.URL.Query()["scope"]...)
	fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, tok)
}

// A token that runs out in the middle of a layer is renewed, and no chunk that
// the registry has is sent again.
func TestPushRenewsTokens(t *testing.T) {
	t.Parallel()
	for _, lives := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(lives), func(t *testing.T) {
			t.Parallel()
			g := &guarded{inner: newStrict(), lives: lives, left: map[string]int{}}
			addr := serve(t, g)
			img := image(t, layerSize)
			c := client(t, registry.Options{Chunk: chunkSize, Jobs: 1, Keychain: registry.Login(addr, user, password, nil)})
			got, err := c.Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil)
			if err != nil {
				t.Fatal(err)
			}
			// A chunk that met the 401 is read once more, the layer never: at
			// worst, with a token a request, each chunk.
			chunks := int64(layerSize/chunkSize + 1)
			if limit := imageBytes(t, img) + chunks*chunkSize; got.BytesSent > limit {
				t.Errorf("sent %d bytes, at most %d were needed", got.BytesSent, limit)
			}
			if g.issued < 2 {
				t.Errorf("%d tokens were issued: the fault did not happen", g.issued)
			}
			for _, s := range g.scopes {
				if s != "repository:a/b:pull,push" {
					t.Errorf("asked for scope %q", s)
				}
			}
		})
	}
}

func TestPushRefusedLeaksNothing(t *testing.T) {
	t.Parallel()
	g := &guarded{inner: newStrict(), lives: 1, left: map[string]int{}, refuse: true}
	addr := serve(t, g)
	c := client(t, registry.Options{Keychain: registry.Login(addr, user, password, nil)})
	_, err := c.Push(t.Context(), tag(t, addr+"/a/b:v1"), image(t, 10), nil)
	if !is[*registry.CredentialsError](err) {
		t.Fatalf("got %v, want a *CredentialsError", err)
	}
	for _, secret := range []string{password, base64.StdEncoding.EncodeToString([]byte(user + ":" + password))} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

// Uploads and blobs that are elsewhere are followed without the credentials.
func TestCredentialsStayAtTheirHost(t *testing.T) {
	t.Parallel()
	inner := newStrict()
	other := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("%s %s on the other host came with %q", r.Method, r.URL.Path, strings.Split(h, " ")[0])
		}
		inner.ServeHTTP(w, r)
	}))
	own := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, _ := r.BasicAuth(); p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") {
			http.Redirect(w, r, "http://"+other+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		inner.ServeHTTP(&registrytest.Changed{ResponseWriter: w, Change: func(h http.Header) {
			if l := h.Get("Location"); l != "" {
				h.Set("Location", "http://"+other+l)
			}
		}}, r)
	}))
	img := image(t, layerSize)
	c := client(t, registry.Options{Chunk: chunkSize, Keychain: registry.Login(own, user, password, nil)})
	to := tag(t, own+"/a/b:v1")
	if _, err := c.Push(t.Context(), to, img, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pull(t.Context(), to, amd64); err != nil {
		t.Fatal(err)
	}
}

func TestKeychains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	auth := base64.StdEncoding.EncodeToString([]byte("filed:word"))
	text := `{"auths":{"one.example":{"auth":"` + auth + `"},"https://index.docker.io/v1/":{"auth":"` + auth + `"}},"credHelpers":{"helped.example":"no-such-helper-anywhere"}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := func(_ context.Context, name, _ string) ([]byte, error) { return nil, errors.New("not installed") }
	files := registry.AuthFiles(missing, filepath.Join(dir, "absent.json"), file)
	both := registry.Login("two.example", user, password, files)
	tests := []struct {
		keys authn.Keychain
		host string
		want string
	}{
		{files, "one.example", "filed"},
		{files, "index.docker.io", "filed"},
		{files, "other.example", ""},
		{both, "two.example", user},
		{both, "one.example", "filed"},
		{registry.Login("two.example", user, password, nil), "one.example", ""},
	}
	for _, tt := range tests {
		a, err := tt.keys.Resolve(host(tt.host))
		if err != nil {
			t.Errorf("%s: %v", tt.host, err)
			continue
		}
		conf, err := authn.Authorization(t.Context(), a)
		if err != nil {
			t.Errorf("%s: %v", tt.host, err)
			continue
		}
		if conf.Username != tt.want {
			t.Errorf("%s: user %q, want %q", tt.host, conf.Username, tt.want)
		}
	}
	if _, err := files.Resolve(host("helped.example")); err == nil || !strings.Contains(err.Error(), "no-such-helper-anywhere") {
		t.Errorf("a helper that is missing gave %v, want an error that names it", err)
	}
	if e, ok := errors.AsType[*registry.HelperError](helped(t, files)); !ok || e.Host != "helped.example" {
		t.Errorf("got %v, want a *HelperError", e)
	}
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.AuthFiles(nil, broken).Resolve(host("one.example")); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("a broken file gave %v, want an error that names it", err)
	}
}

func helped(t *testing.T, keys authn.Keychain) error {
	t.Helper()
	_, err := keys.Resolve(host("helped.example"))
	return err
}

// What a helper answers, and what it is asked.
func TestHelpers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.json")
	text := `{"credsStore":"all","credHelpers":{"own.example":"own","evil.example":"../../bin/evil"}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		host, out string
		err       error
		asked     string
		want      authn.AuthConfig
		says      string
	}{
		{host: "own.example", out: `{"Username":"a","Secret":"b"}`, asked: "own own.example", want: authn.AuthConfig{Username: "a", Password: "b"}},
		{host: "other.example", out: `{"Username":"<token>","Secret":"b"}`, asked: "all other.example", want: authn.AuthConfig{IdentityToken: "b"}},
		{host: "index.docker.io", out: `{"Username":"a","Secret":"b"}`, asked: "all https://index.docker.io/v1/", want: authn.AuthConfig{Username: "a", Password: "b"}},
		{host: "other.example", out: "credentials not found in native keychain\n", err: errors.New("exit code 1"), asked: "all other.example"},
		{host: "other.example", err: errors.New("it did not answer within 1m0s"), asked: "all other.example",
			says: "querying docker-credential-all for other.example: it did not answer within 1m0s"},
		{host: "other.example", out: "<html>", asked: "all other.example", says: "docker-credential-all for other.example: its answer is not JSON"},
		{host: "evil.example", says: `not the name of a program`},
	}
	for _, tt := range tests {
		var asked []string
		keys := registry.AuthFiles(func(_ context.Context, name, input string) ([]byte, error) {
			asked = append(asked, name+" "+input)
			return []byte(tt.out), tt.err
		}, file)
		a, err := keys.Resolve(host(tt.host))
		if tt.says != "" {
			if !is[*registry.HelperError](err) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, %q: got %v, want %q", tt.host, tt.out, err, tt.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %q: %v", tt.host, tt.out, err)
			continue
		}
		got, err := authn.Authorization(t.Context(), a)
		if err != nil || *got != tt.want || strings.Join(asked, ",") != tt.asked {
			t.Errorf("%s, %q: got %+v, %v, asked %q; want %+v, %q", tt.host, tt.out, got, err, asked, tt.want, tt.asked)
		}
	}
}

type host string

func (h host) String() string      { return string(h) + "/a/b" }
func (h host) RegistryStr() string { return string(h) }

// A certificate that nobody vouches for ends the push at once, by name; with
// its authority given the same push passes.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(newStrict())
	t.Cleanup(s.Close)
	addr := strings.TrimPrefix(s.URL, "https://")
	https := func(ca []byte) *registry.Client {
		conf, err := registry.TLS(ca)
		if err != nil {
			t.Fatal(err)
		}
		return client(t, registry.Options{Transport: &http.Transport{TLSClientConfig: conf}, HTTPS: true})
	}
	to := tag(t, addr+"/a/b:v1")
	_, err := https(nil).Push(t.Context(), to, image(t, 10), nil)
	if e, ok := errors.AsType[*registry.TrustError](err); !ok || e.PlainHTTP || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("got %v, want a *TrustError about the certificate", err)
	}
	ca := pemOf(s.Certificate().Raw)
	if _, err := https(ca).Push(t.Context(), to, image(t, 10), nil); err != nil {
		t.Error(err)
	}
	if _, err := registry.TLS([]byte("nonsense")); err == nil {
		t.Error("nonsense was taken for a certificate")
	}
}

// A registry that asks for a certificate of the client gets the one that was given.
func TestTLSClientCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(newStrict())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	to := tag(t, strings.TrimPrefix(s.URL, "https://")+"/a/b:v1")
	push := func(certs ...tls.Certificate) error {
		conf, err := registry.TLS(pemOf(s.Certificate().Raw), certs...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client(t, registry.Options{Transport: &http.Transport{TLSClientConfig: conf}, HTTPS: true}).Push(t.Context(), to, image(t, 10), nil)
		return err
	}
	if err := push(); err == nil {
		t.Error("without a certificate it passed")
	}
	if err := push(s.TLS.Certificates[0]); err != nil {
		t.Error(err)
	}
}
