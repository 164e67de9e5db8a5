package git_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// Whatever a server allows, every ref form is resolved, checked out and
// described alike.
func TestServersThatAllowLess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, filter, anySHA, says string }{
		{"all", "true", "true", "fetching"},
		{"no filter", "false", "true", "cannot leave trees out"},
		{"no SHA", "true", "false", "does not send commits by SHA"},
		{"nothing", "false", "false", "does not send commits by SHA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.repo("up")
			r.git("config", "uploadpack.allowFilter", test.filter)
			r.git("config", "uploadpack.allowAnySHA1InWant", test.anySHA)
			r.git("config", "uploadpack.allowTipSHA1InWant", test.anySHA)
			r.write("f", "0")
			r.commit("zero")
			r.git("tag", "-a", "-m", "annotated", "v0.9")
			r.write("f", "1")
			r.commit("one")
			r.git("tag", "v1.0")
			r.write("f", "2")
			middle := r.commit("two")
			r.write("f", "3")
			r.commit("three")
			r.git("checkout", "-q", "-b", "side", middle)
			r.write("f", "4")
			side := r.commit("four")
			r.commit("five")
			var said bytes.Buffer
			for ref, want := range map[string]string{middle: "2", middle[:8]: "2", "v0.9": "0", "v1.0": "1", "main": "3", side: "4", side[:9]: "4"} {
				// An empty store each time: nothing may lean on what came before.
				m := &git.Mirrors{Dir: filepath.Join(t.TempDir(), "store")}
				c, err := m.Resolve(t.Context(), git.Source{URL: r.url, Ref: ref})
				if err != nil {
					t.Fatalf("%s: %v", ref, err)
				}
				dir := filepath.Join(t.TempDir(), "tree")
				if _, err := m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true}, &said); err != nil {
					t.Fatalf("%s: %v", ref, err)
				}
				if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != want {
					t.Errorf("%s: %q, %v, want %s", ref, got, err, want)
				}
				d, err := m.Describe(t.Context(), r.url, c, &said)
				wantDescribed := r.git("describe", "--tags", "--long", "--abbrev=40", c.Hash)
				if err != nil || d.String() != wantDescribed {
					t.Errorf("%s: %v, %v, want %s", ref, d, err, wantDescribed)
				}
			}
			if !strings.Contains(said.String(), test.says) {
				t.Errorf("%q is not said in\n%s", test.says, &said)
			}
		})
	}
}

// A second commit brings only what the first has not, and a commit that is
// there costs no request.
func TestFetchIsIncremental(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("large", noise(200_000))
	r.write("f", "1")
	first := git.Commit{Hash: r.commit("one")}
	r.write("f", "2")
	second := git.Commit{Hash: r.commit("two")}
	t1, err := w.m.Checkout(t.Context(), r.url, first, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t2, err := w.m.Checkout(t.Context(), r.url, second, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{Verify: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if t2.Received > t1.Received/2 {
		t.Errorf("the second commit cost %d bytes, the first %d", t2.Received, t1.Received)
	}
	w.take()
	if err := w.m.Fetch(t.Context(), r.url, first, "main", t.Output()); err != nil {
		t.Error(err)
	}
	if _, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: first.Hash}); err != nil {
		t.Error(err)
	}
	if asked := w.take(); asked != nil {
		t.Errorf("what is there cost %q", asked)
	}
	mirrors, err := filepath.Glob(filepath.Join(w.m.Dir, "*.git"))
	if err != nil || len(mirrors) == 0 {
		t.Fatal(err, mirrors)
	}
	r.git("-C", mirrors[0], "-c", "safe.directory=*", "fsck", "--no-dangling")
}

// A ref that moved away from the pinned commit is told and not followed; a
// commit that is gone is an error.
func TestFetchSaysThatRefMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", "1")
	pinned := git.Commit{Hash: r.commit("one")}
	r.write("f", "2")
	now := r.commit("two")
	var said bytes.Buffer
	if err := w.m.Fetch(t.Context(), r.url, pinned, "main", &said); err != nil {
		t.Fatal(err)
	}
	if want := "main now names " + now + "; staying at the pinned " + pinned.Hash; !strings.Contains(said.String(), want) {
		t.Errorf("%q is not said in %q", want, &said)
	}
	gone := git.Commit{Hash: strings.Repeat("12", 20)}
	err := w.m.Fetch(t.Context(), r.url, gone, "main", &said)
	if _, ok := errors.AsType[*git.RefError](err); !ok {
		t.Error(err)
	}
}

// spoiled serves through h but changes the packs of the first n requests.
func spoiled(t *testing.T, h http.Handler, n int32, spoil func([]byte) []byte) *httptest.Server {
	left := new(atomic.Int32)
	left.Store(n)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || left.Add(-1) < 0 {
			h.ServeHTTP(rw, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		rw.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		if _, err := rw.Write(spoil(rec.Body.Bytes())); err != nil {
			t.Log(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestFetchTriesOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", strings.Repeat("some text\n", 100)+r.url)
	c := git.Commit{Hash: r.commit("one")}
	h, err := gittest.Handler(w.root)
	if err != nil {
		t.Skip(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)*2/3] },
		"flipped": func(b []byte) []byte {
			at := bytes.Index(b, []byte("PACK"))
			b[at+(len(b)-at)/2] ^= 1
			return b
		},
		"empty": func([]byte) []byte { return nil },
		"noise": func([]byte) []byte { return []byte("<html>503</html>") },
	} {
		var said bytes.Buffer
		m := &git.Mirrors{Dir: t.TempDir()}
		s := spoiled(t, h, 1, spoil)
		dir := filepath.Join(t.TempDir(), "tree")
		if _, err := m.Checkout(t.Context(), s.URL+"/up", c, dir, git.CheckoutOptions{Verify: true}, &said); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(said.String(), "trying once more") {
			t.Errorf("%s: said %q", name, &said)
		}
		m = &git.Mirrors{Dir: t.TempDir()}
		s = spoiled(t, h, 2, spoil)
		if err := m.Fetch(t.Context(), s.URL+"/up", c, "", &said); err == nil {
			t.Errorf("%s: twice is a success", name)
		}
		if files, err := filepath.Glob(filepath.Join(m.Dir, "*.git/objects/pack/*")); len(files) > 0 || err != nil {
			t.Errorf("%s: left %q, %v", name, files, err)
		}
		if err := m.Fetch(t.Context(), s.URL+"/up", c, "", &said); err != nil {
			t.Errorf("%s: the same again: %v", name, err)
		}
	}
}

// A mirror that was damaged on disk is found out and fetched anew.
func TestCheckoutHealsMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", strings.Repeat("some text\n", 500)+r.url)
	c := git.Commit{Hash: r.commit("one")}
	for _, harm := range []struct {
		name, glob string
		do         func(file string) error
	}{
		{"pack lost", "*.git/objects/pack/*.pack", os.Remove},
		{"index lost", "*.git/objects/pack/*.idx", os.Remove},
		{"pack cut", "*.git/objects/pack/*.pack", func(f string) error { return os.Truncate(f, 100) }},
		{"index cut", "*.git/objects/pack/*.idx", func(f string) error { return os.Truncate(f, 100) }},
	} {
		if err := w.m.Fetch(t.Context(), r.url, c, "", t.Output()); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(w.m.Dir, harm.glob))
		if err != nil || len(files) == 0 {
			t.Fatal(err, files)
		}
		for _, f := range files {
			if err := errors.Join(os.Chmod(f, 0o644), harm.do(f)); err != nil {
				t.Fatal(err)
			}
		}
		dir := filepath.Join(t.TempDir(), "tree")
		if _, err := w.m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
			t.Errorf("%s: %v", harm.name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v, %v", harm.name, info, err)
		}
	}
}

func TestFetchEndsWhenServerStandsStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	c := git.Commit{Hash: r.commit("one")}
	h, err := gittest.Handler(w.root)
	if err != nil {
		t.Skip(err)
	}
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
	err = m.Fetch(t.Context(), s.URL+"/up", c, "", t.Output())
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
	h, err := gittest.Handler(w.root)
	if err != nil {
		t.Skip(err)
	}
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
	err = filepath.WalkDir(m.Dir, func(name string, d os.DirEntry, err error) error {
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
	h, err := gittest.Handler(w.root)
	if err != nil {
		t.Skip(err)
	}
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
	if _, err := w.m.Resolve(t.Context(), git.Source{URL: local, Ref: "main"}); err == nil || !strings.Contains(err.Error(), "--mirror") {
		t.Error(err)
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
