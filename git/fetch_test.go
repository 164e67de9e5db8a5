package git_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sparkwheel/sparkwheel/git"
)

// Whatever a server allows, every ref form is resolved, checked out and
// described alike.
func TestServersThatAllowLess(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, scheme, filter, anySHA, says string }{
		{"all", "http", "true", "true", "fetching"},
		{"no filter", "http", "false", "true", "cannot leave trees out"},
		{"no SHA", "http", "true", "false", "fetching"},
		{"all by ssh", "ssh", "true", "true", "fetching"},
		{"no SHA by ssh", "ssh", "true", "false", "does not send commits by SHA"},
		{"nothing by ssh", "ssh", "false", "false", "does not send commits by SHA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.repo("up")
			r.git("config", "uploadpack.allowFilter", test.filter)
			r.git("config", "uploadpack.allowAnySHA1InWant", test.anySHA)
			r.git("config", "uploadpack.allowTipSHA1InWant", test.anySHA)
			if test.scheme == "ssh" {
				r.url = "ssh://git@forge.example:2222" + r.dir
			}
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
				m := &git.Mirrors{Dir: filepath.Join(t.TempDir(), "store"), SSH: uploadPack}
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
	h := w.handler()
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
		if !strings.Contains(said.String(), "trying again") {
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

// Only what is needed comes: of a commit its own tree and no parent's, and to
// resolve or to describe one, commits alone. How much came is told.
func TestFetchBringsOnlyWhatIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("old", noise(400_000))
	old := r.commit("one")
	r.git("tag", "v1.0")
	r.git("rm", "-q", "old")
	r.write("new", noise(200_000))
	c := git.Commit{Hash: r.commit("two")}
	if _, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: old[:9]}); err != nil {
		t.Error(err)
	}
	if _, err := w.m.Describe(t.Context(), r.url, c, t.Output()); err != nil {
		t.Error(err)
	}
	if n := size(t, w.m.Dir); n > 50_000 {
		t.Errorf("two commits take %d bytes", n)
	}
	var said bytes.Buffer
	tree, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{}, &said)
	if err != nil || tree.Received < 200_000 || tree.Received > 300_000 {
		t.Errorf("the tree cost %d bytes, %v", tree.Received, err)
	}
	if want := "received 3 of 3 objects, 0.2 MB"; !strings.Contains(said.String(), want) {
		t.Errorf("%q is not said in %q", want, &said)
	}
}

// size is what all files below a directory hold.
func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
