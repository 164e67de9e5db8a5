package git_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// A server by default sends what `git fetch URL SHA` gets from it: a commit
// behind a tip, and one that no ref reaches any more. No more than the commit
// comes.
func TestCommitsOfADefaultServer(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"false", "true"} {
		w := newWorld(t)
		r := w.repo("up")
		r.git("config", "--unset", "uploadpack.allowAnySHA1InWant")
		r.git("config", "uploadpack.allowFilter", filter)
		r.write("old", noise(1<<20))
		behind := r.commit("one")
		r.write("old", "1")
		r.commit("two")
		r.write("f", "gone")
		gone := r.commit("three")
		r.git("reset", "-q", "--hard", "HEAD~1")
		r.write("large", noise(1<<20))
		r.commit("another three")
		for _, sha := range []string{gone, behind} {
			m := &git.Mirrors{Dir: t.TempDir()}
			c, err := m.Resolve(t.Context(), git.Source{URL: r.url, Ref: sha})
			if err != nil || c.Hash != sha {
				t.Errorf("filter %s: %v, %v, want %s", filter, c, err, sha)
				continue
			}
			dir := filepath.Join(t.TempDir(), "tree")
			tree, err := m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true}, t.Output())
			if err != nil {
				t.Errorf("filter %s: %v", filter, err)
			}
			if sha == gone && tree.Received > 1<<19 {
				t.Errorf("filter %s: %d bytes came for a small commit", filter, tree.Received)
			}
		}
	}
}

// A SHA that a server does not have is still no commit of it.
func TestNoSuchCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.git("config", "--unset", "uploadpack.allowAnySHA1InWant")
	r.commit("one")
	_, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: strings.Repeat("12345678", 5)})
	if missing, ok := errors.AsType[*git.RefError](err); !ok || cmp.Diff([]string{"main"}, missing.Candidates) != "" {
		t.Error(err)
	}
}

// What is not a git server that speaks the smart protocol is called that.
func TestNotSmart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.commit("one")
	r.git("update-server-info")
	login := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = rw.Write([]byte("<html>\x1b[2J please log in"))
	}
	for name, test := range map[string]struct {
		h    http.Handler
		dumb bool
	}{
		"plain files": {http.FileServer(http.Dir(w.root)), true},
		"login page":  {http.HandlerFunc(login), false},
	} {
		s := httptest.NewServer(test.h)
		t.Cleanup(s.Close)
		_, err := w.m.Resolve(t.Context(), git.Source{URL: s.URL + "/up/.git", Ref: "main"})
		got, ok := errors.AsType[*git.NotSmartError](err)
		if !ok || got.Dumb != test.dumb || strings.Contains(err.Error(), "EOF") || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(w.m.Path(s.URL + "/up/.git")); err == nil {
			t.Errorf("%s left a mirror", name)
		}
	}
}
