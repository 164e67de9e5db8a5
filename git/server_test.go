package git_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// world is a git server on loopback, its repositories and a store of mirrors.
type world struct {
	t    testing.TB
	root string // of the served repositories
	url  string
	m    *git.Mirrors

	mu       sync.Mutex
	requests []string // "POST /up/git-upload-pack"
}

// handler serves the repositories; the test ends here where git is missing.
func (w *world) handler() http.Handler {
	w.t.Helper()
	h, err := gittest.Handler(w.root)
	if err != nil {
		w.t.Skip(err)
	}
	return h
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir()}
	h := w.handler()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		w.mu.Unlock()
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	w.m = &git.Mirrors{Dir: filepath.Join(t.TempDir(), "store"), Git: runGit}
	return w
}

// runGit is the host's git, cut off from the user's configuration.
func runGit(ctx context.Context, c git.Call) error {
	cmd := exec.CommandContext(ctx, "git", c.Args...)
	var stderr strings.Builder
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Dir, c.Stdin, c.Stdout, &stderr
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C")
	cmd.Env = append(cmd.Env, c.Env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("git: %w: %s", err, stderr.String())
	}
	return nil
}

// uploadPack is what ssh runs on the other host, without the way there.
func uploadPack(ctx context.Context, host string, args []string, stdin io.Reader, stdout io.Writer) error {
	if host != "ssh://git@forge.example:2222" || args[0] != "git-upload-pack" {
		return fmt.Errorf("ssh to %q was asked to run %q", host, args)
	}
	return runGit(ctx, git.Call{Args: append([]string{"upload-pack"}, args[1:]...), Stdin: stdin, Stdout: stdout})
}

// take returns the requests since the last call.
func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.requests
	w.requests = nil
	return r
}

// repo makes a served repository that allows all that GitHub does.
func (w *world) repo(name string) *repo {
	w.t.Helper()
	r := &repo{t: w.t, dir: filepath.Join(w.root, name), url: w.url + "/" + name}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	r.git("init", "-q", "-b", "main")
	r.git("config", "uploadpack.allowFilter", "true")
	r.git("config", "uploadpack.allowAnySHA1InWant", "true")
	return r
}

type repo struct {
	t   testing.TB
	dir string
	url string
}

// git runs the git command line in the repository, cut off from the host's
// configuration and clock.
func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.gitAt("2026-06-03T12:00:00Z", args...)
}

func (r *repo) gitAt(date string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE="+date)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// noise is text that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return string(b)
}

// commit commits all that is in the work tree.
func (r *repo) commit(message string) string {
	r.t.Helper()
	r.git("add", "-A", "-f")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// submodule adds a gitlink and its lines in .gitmodules to the index.
func (r *repo) submodule(path, url, commit string) {
	r.t.Helper()
	file := filepath.Join(r.dir, ".gitmodules")
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	text := string(old) + "[submodule \"" + path + "\"]\n\tpath = " + path + "\n\turl = " + url + "\n"
	r.write(".gitmodules", text)
	// git takes an empty directory for a submodule that is not checked out.
	if err := os.MkdirAll(filepath.Join(r.dir, path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A", "-f")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
}

// commitIndex commits the index, which may hold what the work tree does not.
func (r *repo) commitIndex(message string) string {
	r.t.Helper()
	r.git("commit", "-q", "-m", message)
	return r.git("rev-parse", "HEAD")
}
