package sources

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// checkout is a repository beside a recipe, on a host with a store of its own.
type checkout struct {
	t   *testing.T
	dir string // of the recipe; the repository is dir/up
	env host.Env

	mu    sync.Mutex
	notes []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	c := &checkout{t: t, dir: t.TempDir()}
	c.env = host.Env{Store: s, Index: &index.Client{}, Mirrors: &git.Mirrors{Dir: s.Path("git"), Git: runGit}, Jobs: 1}
	c.git("init", "-q", "-b", "main", ".")
	return c
}

func runGit(ctx context.Context, call git.Call) error {
	cmd := exec.CommandContext(ctx, "git", call.Args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout = call.Dir, call.Stdin, call.Stdout
	cmd.Env = append(append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"), call.Env...)
	return cmd.Run()
}

func (c *checkout) git(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir = filepath.Join(c.dir, "up")
	if err := os.MkdirAll(cmd.Dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	const date = "2026-06-03T12:00:00Z"
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c *checkout) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, "up", name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *checkout) commit(text string) string {
	c.t.Helper()
	c.write("f", text)
	c.git("add", "-A")
	c.git("commit", "-q", "-m", text)
	return c.git("rev-parse", "HEAD")
}

// Report implements stage.Reporter.
func (c *checkout) Report(e stage.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind == stage.Note {
		c.notes = append(c.notes, e.Text)
	}
}

// lock finds and resolves a source as `lock` does.
func (c *checkout) lock(src recipe.Source) (recipe.LockedSource, error) {
	c.t.Helper()
	r, err := run(c, "lock", func(ctx context.Context, run *stage.Run) (Resolved, error) {
		found, err := Find(ctx, c.env, src, c.dir, run)
		if err != nil {
			return Resolved{}, err
		}
		return Resolve(ctx, c.env, At{Source: src, Found: found, Dir: c.dir}, run)
	})
	return r.Locked, err
}

// build makes the tree that is locked and returns its file f.
func (c *checkout) build(src recipe.Source, l recipe.LockedSource) (string, error) {
	c.t.Helper()
	t, err := run(c, "build", func(ctx context.Context, run *stage.Run) (*Tree, error) {
		return Checkout(ctx, c.env, Locked(src, l, c.dir), run)
	})
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(t.Dir, "f"))
	return string(text), err
}

func run[T any](c *checkout, name string, work func(context.Context, *stage.Run) (T, error)) (T, error) {
	g := &stage.Graph{Clock: time.Now}
	s := stage.Add(g, name, work)
	if err := g.Run(c.t.Context(), 1, c); err != nil {
		var none T
		return none, err
	}
	return s.Value(), nil
}

var local = recipe.Source{Name: "up", Git: git.Source{URL: "./up", Ref: "HEAD"}, Version: "scm", Local: true}

// A checkout beside the recipe is locked at its commit. One with changes is
// refused, or taken with them, which the lock says.
func TestLocalSource(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.commit("one")
	c.git("tag", "v1.0")
	head := c.commit("two")
	clean, err := c.lock(local)
	if err != nil {
		t.Fatal(err)
	}
	want := recipe.LockedSource{
		Name: "up", URL: "./up", Ref: "HEAD", Commit: head, Time: time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC), Tree: c.git("rev-parse", "HEAD^{tree}"),
		Version: "1.1.dev1+g" + head[:9], Described: "v1.0-1-g" + head,
	}
	if diff := cmp.Diff(want, clean); diff != "" {
		t.Errorf("the lock of a clean checkout (-want +got):\n%s", diff)
	}
	if !strings.Contains(strings.Join(c.notes, "\n"), "from the tag v1.0, 1 commit before") {
		t.Errorf("no word of the tag in %q", c.notes)
	}
	c.write("f", "changed")
	if _, err := c.lock(local); !isError[*git.DirtyError](err) {
		t.Errorf("a checkout with changes gave %v", err)
	}
	// What was locked is built, and that is not all that is there.
	c.notes = nil
	if text, err := c.build(local, clean); err != nil || text != "two" || !strings.Contains(strings.Join(c.notes, "\n"), "has uncommitted changes: f, which are left out") {
		t.Errorf("built %q, %v, %q", text, err, c.notes)
	}
	dirty := local
	dirty.Dirty = true
	l, err := c.lock(dirty)
	if err != nil || !l.Dirty || l.Head != head || l.Commit == head || l.Version != "1.1.dev1+g"+head[:9]+".d20260603" {
		t.Fatalf("the lock of a changed checkout: %+v, %v", l, err)
	}
	// What was locked is built, whatever became of the checkout; that is said.
	c.write("f", "changed again")
	c.notes = nil
	if text, err := c.build(dirty, l); err != nil || text != "changed" {
		t.Errorf("built %q, %v", text, err)
	}
	if !strings.Contains(strings.Join(c.notes, "\n"), "./up has changed since it was locked") {
		t.Errorf("no word of the change in %q", c.notes)
	}
	// Another store takes it from the checkout as long as that has it.
	other := newCheckout(t)
	other.dir = c.dir
	if _, err := other.build(dirty, l); !isError[*VanishedError](err) {
		t.Errorf("a checkout that has changed gave %v", err)
	}
	c.write("f", "changed")
	if text, err := other.build(dirty, l); err != nil || text != "changed" {
		t.Errorf("built %q, %v", text, err)
	}
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// A version that says nothing is refused with what it came from, unless the
// recipe states one.
func TestVersionsThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, tag, version string
		says               string // of the error
	}{
		{"no tag", "", "scm", "no tag with a digit in its name"},
		{"no tag, its version wanted", "", "tag", "no tag with a digit in its name"},
		{"zeros", "v0.0", "tag", "the result is 0.0, from the tag v0.0, 1 commit before"},
		{"a guess after zeros", "v0.0", "scm", "the result is 0.1.dev1+g"},
		{"a guess after a start", "v0.1.dev0", "scm", "the result is 0.1.dev1+g"},
		{"stated", "", "1.2", ""},
		{"early", "v0.0.1", "scm", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.commit("one")
			if test.tag != "" {
				c.git("tag", test.tag)
			}
			c.commit("two")
			src := local
			src.Version = test.version
			l, err := c.lock(src)
			switch {
			case test.says == "" && err != nil, test.says != "" && (!isError[*VersionError](err) || !strings.Contains(err.Error(), test.says)):
				t.Errorf("%+v, %v", l, err)
			case test.says != "" && !strings.Contains(err.Error(), `version = "X.Y"`):
				t.Errorf("no remedy in %v", err)
			}
		})
	}
}

// A release's tag that stands off the branch is not what the version is from,
// and the tag that it is from is shown.
func TestTagOffTheBranch(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.commit("one")
	c.git("tag", "v1.1rc1")
	c.git("checkout", "-q", "-b", "release")
	c.commit("release")
	c.git("tag", "v1.1")
	c.git("checkout", "-q", "main")
	c.commit("two")
	l, err := c.lock(local)
	if err != nil || !strings.HasPrefix(l.Version, "1.1rc2.dev1+g") || !strings.HasPrefix(l.Described, "v1.1rc1-1-g") {
		t.Errorf("%+v, %v", l, err)
	}
	if !strings.Contains(strings.Join(c.notes, "\n"), "from the tag v1.1rc1, 1 commit before") {
		t.Errorf("no word of the tag in %q", c.notes)
	}
}

// A tree with pointers of Git LFS is not built, unless the recipe wants it.
func TestPointersAreNotBuilt(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.write("weights.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")
	c.commit("one")
	src := local
	src.Version = "1.0"
	for range 2 {
		if _, err := c.lock(src); !isError[*PointersError](err) || !strings.Contains(err.Error(), "weights.bin") {
			t.Error(err)
		}
	}
	src.Pointers = true
	if _, err := c.lock(src); err != nil {
		t.Error(err)
	}
}
