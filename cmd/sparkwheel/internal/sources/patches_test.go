package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git/patch"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// change is a diff of the file f of a checkout.
func change(from, to string) string {
	return "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-" + from + "\n+" + to + "\n"
}

func (c *checkout) beside(name, text string) recipe.Patch {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return recipe.Patch{File: name, Dir: c.dir}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func versions(t *testing.T, text string) version.Specifiers {
	t.Helper()
	s, err := version.ParseSpecifiers(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every patch is told of when the source is locked: one that applies, those of
// a series, one behind a URL, one that the tree has already, and one for other
// versions. The build, from the lock alone, applies the same.
func TestPatchesAreToldOf(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.commit("one\n")
	c.git("tag", "v1.4")
	remote := change("four", "five")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(remote)) }))
	t.Cleanup(server.Close)
	c.env.Index = &index.Client{HTTP: server.Client()}

	src := local
	first := c.beside("patches/first.patch", change("one", "two"))
	c.beside("quilt/series", "# in this order\nb.patch -p1\nsub/a.patch\n")
	c.beside("quilt/b.patch", change("two", "three"))
	c.beside("quilt/sub/a.patch", change("three", "four"))
	old := c.beside("old.patch", change("zero", "none"))
	old.Versions = versions(t, "<1.4")
	again := c.beside("again.patch", change("four", "five"))
	// The tag's own version counts, not that of the changed tree, 1.5.dev0.
	again.Versions = versions(t, ">=1.0, <1.5")
	src.Patches = []recipe.Patch{
		first, {File: "quilt", Dir: c.dir}, {URL: server.URL + "/x/remote.patch", SHA256: sum(remote)}, old, again,
	}
	l, err := c.lock(src)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"up: patch patches/first.patch: applied", "up: patch quilt/b.patch: applied", "up: patch quilt/sub/a.patch: applied",
		"up: patch " + server.URL + "/x/remote.patch: applied", "up: patch again.patch: already in", "up: patch old.patch: not needed",
	}
	got := []string{}
	for _, n := range c.notes {
		if strings.Contains(n, "patch ") {
			got = append(got, n)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if l.Clean != "1.4" || !strings.HasPrefix(l.Version, "1.5.dev0+g") {
		t.Errorf("the lock has version %s, without changes %s", l.Version, l.Clean)
	}
	server.Close()
	if text, err := c.build(src, l); err != nil || text != "five\n" {
		t.Errorf("built %q, %v", text, err)
	}
	entry, err := Locked(src, l, c.dir).Entry("up")
	if err != nil || len(entry.Pins) != 1 || entry.Pins[0].SHA256 != sum(remote) {
		t.Errorf("the source needs %+v (%v), want the patch behind a URL", entry.Pins, err)
	}
}

// A patch that does not fit, or is none, stops with its source, file and hunk.
func TestPatchThatDoesNotFit(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	c.commit("one\n")
	src := local
	src.Version = "1.0"
	src.Patches = []recipe.Patch{c.beside("p.patch", change("two", "three"))}
	_, err := c.lock(src)
	if !isError[*PatchError](err) || !isError[*patch.ConflictError](err) || !strings.Contains(err.Error(), "source up: ") || !strings.Contains(err.Error(), "f, hunk 1 (p.patch:3)") {
		t.Errorf("a patch that does not fit gave %v", err)
	}
	src.Patches = []recipe.Patch{c.beside("p.patch", "no diff\n")}
	if _, err := c.lock(src); !isError[*PatchError](err) || !isError[*patch.SyntaxError](err) {
		t.Errorf("a patch that is none gave %v", err)
	}
	src.Patches = []recipe.Patch{{File: "gone.patch", Dir: c.dir}}
	if _, err := c.lock(src); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a patch that is not there gave %v", err)
	}
}

// The patches of embedded recipes can be read as patches.
func TestEmbeddedPatchesAreDiffs(t *testing.T) {
	t.Parallel()
	for _, name := range recipe.Names() {
		r, err := recipe.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Patches() {
			texts, err := p.Read()
			if err != nil {
				t.Errorf("recipe %s: %v", name, err)
			}
			for _, one := range texts {
				if _, err := patch.Parse(one.Name, one.Text); err != nil {
					t.Errorf("recipe %s: %v", name, err)
				}
			}
		}
	}
}
