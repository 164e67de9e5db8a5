package git_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/git"
)

// The test binary is also a process that checks a commit out, or describes it:
// STORE URL COMMIT DIR.
const childVariable = "SPARKWHEEL_GIT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	if os.Getenv(childVariable) == "history" {
		out := bufio.NewWriterSize(os.Stdout, 1<<20)
		writeHistory(out)
		if err := out.Flush(); err != nil {
			panic(err)
		}
		os.Exit(0)
	}
	ctx, mirrors, commit := context.Background(), &git.Mirrors{Dir: os.Args[1]}, git.Commit{Hash: os.Args[3]}
	var err error
	switch os.Getenv(childVariable) {
	case "describe":
		_, err = mirrors.Describe(ctx, os.Args[2], commit, os.Stderr)
	case "checkout":
		_, err = mirrors.Checkout(ctx, os.Args[2], commit, os.Args[4], git.CheckoutOptions{}, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func startChild(t *testing.T, args ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"=checkout")
	said := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, said
}

// Many processes that want one commit get it with one fetch.
func TestProcessesShareAMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", noise(300_000))
	commit := r.commit("one")
	out := t.TempDir()
	type child struct {
		cmd  *exec.Cmd
		said *strings.Builder
	}
	var children []child
	for i := range 4 {
		cmd, said := startChild(t, w.m.Dir, r.url, commit, filepath.Join(out, fmt.Sprint(i)))
		children = append(children, child{cmd, said})
	}
	for i, c := range children {
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, c.said)
		}
		if _, err := os.Stat(filepath.Join(out, fmt.Sprint(i), "f")); err != nil {
			t.Error(err)
		}
	}
	packs := 0
	for _, request := range w.take() {
		if strings.HasPrefix(request, http.MethodPost) {
			packs++
		}
	}
	if packs != 1 {
		t.Errorf("%d packs were asked for", packs)
	}
}

// slowly lets through so many bytes of each pack that has more, then holds the
// rest back until hold is closed, having told on reached.
func slowly(t *testing.T, h http.Handler, bytes int) (s *httptest.Server, reached, hold chan struct{}) {
	t.Helper()
	reached, hold = make(chan struct{}, 16), make(chan struct{})
	s = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			h.ServeHTTP(rw, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		part := min(bytes, len(body))
		if _, err := rw.Write(body[:part]); err != nil || part == len(body) {
			return
		}
		rw.(http.Flusher).Flush()
		reached <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
		if _, err := rw.Write(body[part:]); err != nil {
			t.Log(err)
		}
	}))
	t.Cleanup(s.Close)
	return s, reached, hold
}

// A process that is killed in the middle of a pack leaves no lock, nothing
// corrupt, and nothing that the next one does not clear away.
func TestKilledProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", noise(600_000))
	commit := r.commit("one")
	h := w.handler()
	s, reached, hold := slowly(t, h, 400_000)
	store, out := filepath.Join(t.TempDir(), "store"), t.TempDir()
	cmd, _ := startChild(t, store, s.URL+"/up", commit, filepath.Join(out, "tree"))
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case <-reached:
	case err := <-exited:
		t.Fatalf("the process ended before the pack came: %v", err)
	}
	temps := func() []string {
		files, err := filepath.Glob(filepath.Join(store, "*.git/objects/pack/tmp_pack_*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for deadline := time.After(time.Minute); len(temps()) == 0; {
		select {
		case err := <-exited:
			t.Fatalf("the process ended before it wrote a pack: %v", err)
		case <-deadline:
			t.Fatal("for a minute, no pack was begun")
		case <-time.After(time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-exited; err == nil {
		t.Fatal("the process had done its work already")
	}
	if _, err := os.Stat(filepath.Join(out, "tree")); !os.IsNotExist(err) {
		t.Errorf("half a tree is there: %v", err)
	}
	close(hold)
	m := &git.Mirrors{Dir: store}
	dir := filepath.Join(out, "tree")
	if _, err := m.Checkout(t.Context(), s.URL+"/up", git.Commit{Hash: commit}, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
		t.Error(err)
	}
	if left := temps(); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

// Whoever reads a commit that is there does not wait for one who fetches.
func TestReaderDoesNotWaitForFetch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", "1")
	first := git.Commit{Hash: r.commit("one")}
	r.write("f", noise(300_000))
	second := git.Commit{Hash: r.commit("two")}
	h := w.handler()
	s, reached, hold := slowly(t, h, 100_000)
	m := &git.Mirrors{Dir: filepath.Join(t.TempDir(), "store")}
	if err := m.Fetch(t.Context(), s.URL+"/up", first, "", t.Output()); err != nil {
		t.Fatal(err)
	}
	fetched := make(chan error, 1)
	go func() { fetched <- m.Fetch(t.Context(), s.URL+"/up", second, "", t.Output()) }()
	select {
	case <-reached: // the second commit's pack stands half way
	case err := <-fetched:
		t.Fatalf("the fetch ended before its pack came: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if _, err := m.Checkout(t.Context(), s.URL+"/up", first, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-fetched:
		t.Errorf("the fetch ended before the reader: %v", err)
	default:
	}
	close(hold)
	if err := <-fetched; err != nil {
		t.Error(err)
	}
}
