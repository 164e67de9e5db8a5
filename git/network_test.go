package git_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git"
)

// An interrupt ends a fetch from a server that stands still.
func TestFetchEndsAtInterrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	h := w.handler()
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			rw.WriteHeader(http.StatusOK)
			rw.(http.Flusher).Flush()
			cancel()
			<-req.Context().Done()
			return
		}
		h.ServeHTTP(rw, req)
	}))
	t.Cleanup(s.Close)
	m := &git.Mirrors{Dir: t.TempDir()}
	if err := m.Fetch(ctx, s.URL+"/up", c, "", t.Output()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a server answers instead of a repository is named, not quoted: its page
// may be any page, and without an end.
func TestFetchNamesStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		503: "the server answered 503 Service Unavailable",
		429: `the server answered 429 Too Many Requests (Retry-After: "3600")`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Retry-After", map[int]string{429: "3600"}[code])
			rw.WriteHeader(code)
			for r.Context().Err() == nil {
				if _, err := rw.Write([]byte("<b>\x1b[2J" + strings.Repeat("x", 1<<16))); err != nil {
					return
				}
			}
		}))
		t.Cleanup(s.Close)
		_, err := (&git.Mirrors{Dir: t.TempDir()}).Resolve(t.Context(), git.Source{URL: s.URL + "/up", Ref: "main"})
		var status *git.StatusError
		if !errors.As(err, &status) || status.Status != code || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d: %v", code, err)
		}
	}
	_, err := (&git.Mirrors{Dir: t.TempDir()}).Resolve(t.Context(), git.Source{URL: "http://me:s3cret@127.0.0.1:1/up", Ref: "main"})
	if !errors.As(err, new(*git.UnreachableError)) || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

// guarded asks for credentials and notes what comes.
type guarded struct {
	h    http.Handler
	want string

	mu   sync.Mutex
	came []string
}

func (g *guarded) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.came = append(g.came, r.Header.Get("Authorization"))
	g.mu.Unlock()
	if g.want != "" && r.Header.Get("Authorization") != g.want {
		rw.Header().Set("WWW-Authenticate", "Basic")
		http.Error(rw, "<b>who are you?</b>", http.StatusUnauthorized)
		return
	}
	g.h.ServeHTTP(rw, r)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	h := w.handler()
	for _, test := range []struct{ user, password, header string }{
		{"me", "s3cret", "Basic bWU6czNjcmV0"},
		{"", "t0ken", "Bearer t0ken"},
	} {
		s := httptest.NewServer(&guarded{h: h, want: test.header})
		t.Cleanup(s.Close)
		var said bytes.Buffer
		m := &git.Mirrors{Dir: t.TempDir()}
		err := m.Fetch(t.Context(), s.URL+"/up", c, "", &said)
		if err == nil || !strings.Contains(err.Error(), "~/.netrc") || strings.Contains(err.Error(), "<b>") {
			t.Error(err)
		}
		m.Credentials = func(host string) (string, string, bool) {
			return test.user, test.password, "http://"+host == s.URL
		}
		if err := m.Fetch(t.Context(), s.URL+"/up", c, "", &said); err != nil {
			t.Error(err)
		}
		if strings.Contains(said.String(), test.password) {
			t.Errorf("the password is said: %s", &said)
		}
	}
	// In the URL they work too, and stand in no message and no file.
	s := httptest.NewServer(&guarded{h: h, want: "Basic bWU6czNjcmV0"})
	t.Cleanup(s.Close)
	var said bytes.Buffer
	m := &git.Mirrors{Dir: t.TempDir()}
	url := strings.Replace(s.URL, "http://", "http://me:s3cret@", 1)
	if err := m.Fetch(t.Context(), url+"/up", c, "", &said); err != nil {
		t.Error(err)
	}
	if err := m.Fetch(t.Context(), url+"/none", c, "", &said); err == nil || strings.Contains(err.Error()+said.String(), "s3cret") {
		t.Errorf("%v, %s", err, &said)
	}
	err := filepath.WalkDir(m.Dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if bytes.Contains(text, []byte("s3cret")) {
			t.Errorf("%s holds the password", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A redirect is followed, but the other host is told no secret.
func TestRedirectDropsCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	h := w.handler()
	other := &guarded{h: h}
	to := httptest.NewServer(other)
	t.Cleanup(to.Close)
	first := &guarded{want: "Basic bWU6czNjcmV0", h: http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		http.Redirect(rw, req, to.URL+req.URL.String(), http.StatusMovedPermanently)
	})}
	from := httptest.NewServer(first)
	t.Cleanup(from.Close)
	m := &git.Mirrors{Dir: t.TempDir(), Credentials: func(host string) (string, string, bool) {
		return "me", "s3cret", "http://"+host == from.URL
	}}
	if err := m.Fetch(t.Context(), from.URL+"/up", c, "", t.Output()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Basic bWU6czNjcmV0"}, first.came); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"", ""}, other.came); diff != "" {
		t.Error(diff)
	}
}

// A local repository is read when that was asked for, by AllowFile or by the
// base of a rewrite, and not otherwise.
func TestLocalRepositories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", "1")
	r.commit("one")
	r.git("tag", "v1.0")
	commit := r.commit("two")
	local := "file://" + r.dir
	if _, err := w.m.Resolve(t.Context(), git.Source{URL: local, Ref: "main"}); !isLocalError(err) {
		t.Error(err)
	}
	for url, m := range map[string]*git.Mirrors{
		local:                    {Dir: t.TempDir(), Local: "/", Git: runGit},
		"https://h.example/x/up": {Dir: t.TempDir(), Git: runGit, Rewrites: []git.Rewrite{{Prefix: "https://h.example/x/", Base: "file://" + w.root + "/"}}},
	} {
		c, err := m.Resolve(t.Context(), git.Source{URL: url, Ref: commit[:7]})
		if err != nil || c.Hash != commit {
			t.Errorf("%s: %v, %v", url, c, err)
			continue
		}
		if _, err := m.Checkout(t.Context(), url, c, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		d, err := m.Describe(t.Context(), url, c, t.Output())
		if err != nil || d.Tag != "v1.0" || d.Distance != 1 {
			t.Errorf("%s: %v, %v", url, d, err)
		}
	}
}

// Requests go by way of the proxy that the transport brings.
func TestProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	proxy, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	w.m.Transport = &http.Transport{Proxy: http.ProxyURL(proxy)}
	w.take()
	if err := w.m.Fetch(t.Context(), "http://git.example/up", c, "", t.Output()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"GET /up/info/refs", "POST /up/git-upload-pack"}, w.take()); diff != "" {
		t.Error(diff)
	}
}
