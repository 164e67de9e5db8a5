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
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

func TestFetchEndsWhenServerStandsStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	h := w.handler()
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			rw.WriteHeader(http.StatusOK)
			rw.(http.Flusher).Flush()
			<-done
			return
		}
		h.ServeHTTP(rw, req)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(done) })
	m := &git.Mirrors{Dir: t.TempDir(), Idle: 50 * time.Millisecond}
	err := m.Fetch(t.Context(), s.URL+"/up", c, "", t.Output())
	if err == nil || !strings.Contains(err.Error(), "the server sent nothing for 50ms") {
		t.Error(err)
	}
	// An interrupt ends it too.
	ctx, cancel := context.WithCancel(t.Context())
	m = &git.Mirrors{Dir: t.TempDir()}
	go func() {
		for {
			if files, _ := filepath.Glob(filepath.Join(m.Dir, "*.git")); len(files) > 0 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if err := m.Fetch(ctx, s.URL+"/up", c, "", t.Output()); !errors.Is(err, context.Canceled) {
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

// isLocal is whether err refuses a local repository.
func isLocal(err error, url string) bool {
	e, ok := errors.AsType[*git.SchemeError](err)
	return ok && e.Scheme == "file" && e.URL == url
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
	if _, err := w.m.Resolve(t.Context(), git.Source{URL: local, Ref: "main"}); !isLocal(err, local) {
		t.Errorf("got %v, want a *git.SchemeError for the file", err)
	}
	for url, m := range map[string]*git.Mirrors{
		local:                    {Dir: t.TempDir(), AllowFile: true},
		"https://h.example/x/up": {Dir: t.TempDir(), Rewrites: []git.Rewrite{{Prefix: "https://h.example/x/", Base: "file://" + w.root + "/"}}},
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
