package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// artifactory serves files by path and counts the requests.
type artifactory struct {
	*httptest.Server
	files    map[string]string
	requests atomic.Int64
}

func serveFiles(t *testing.T, files map[string]string) *artifactory {
	t.Helper()
	a := &artifactory{files: files}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		text, ok := a.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(a.Close)
	return a
}

// lockManifestNow locks one manifest as a run of `sparkwheel lock` does. module
// is the text of the source's file.
func lockManifestNow(t *testing.T, dir, module string, m recipe.Manifest, before *recipe.Lock) (recipe.LockedManifest, string, error) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	tree := t.TempDir()
	write(t, tree, "pkg/artifacts.py", module)
	g := &stage.Graph{}
	s := &resolving{env: host.Env{Store: st, Index: &index.Client{}}, recipe: &recipe.Recipe{Manifests: []recipe.Manifest{m}}, before: before, machine: "aarch64"}
	s.sources = map[string]*stage.Stage[sources.Resolved]{"a": stage.Add(g, "source a", func(context.Context, *stage.Run) (sources.Resolved, error) {
		return sources.Resolved{Tree: &sources.Tree{Dir: tree}}, nil
	})}
	all := s.addManifests(g)
	var said notes
	if err := g.Run(t.Context(), 1, &said); err != nil {
		return recipe.LockedManifest{}, said.String(), err
	}
	return all[0].Value(), said.String(), nil
}

const artifactsModule = `
class Path:
    ONE: str = "v1/one/"
    TWO: str = "v1/two/"
    NEW: str = "v1/new/"
class Sum:
    ONE: str = "%s"
    TWO: dict[str, str] = {"arm": "%s"}
    ALL = {f(x): y for x in z}
`

func TestLockManifest(t *testing.T) {
	t.Parallel()
	one := hexSum("kernel 1") + "  a.cubin\n" + hexSum("header") + " include/a.h\n"
	two := hexSum("kernel 2") + " *b.cubin\n\n"
	server := serveFiles(t, map[string]string{"/v1/one/sums.txt": one, "/v1/two/arm/sums.txt": two})
	m := recipe.Manifest{
		Name: "kernels", URL: server.URL + "/", Source: "a", File: "pkg/artifacts.py", List: "sums.txt", MaxFile: 100,
		Directories: map[string]string{"{Path.ONE}": "{Sum.ONE}", "{Path.TWO}arm/": "{Sum.TWO.arm}"},
	}
	module := fmt.Sprintf(artifactsModule, hexSum(one), hexSum(two))
	dir := t.TempDir()
	got, said, err := lockManifestNow(t, dir, module, m, &recipe.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	want := hexSum("kernel 1") + "  v1/one/a.cubin\n" + hexSum("header") + "  v1/one/include/a.h\n" + hexSum(one) + "  v1/one/sums.txt\n" +
		hexSum("kernel 2") + "  v1/two/arm/b.cubin\n" + hexSum(two) + "  v1/two/arm/sums.txt\n"
	if diff := cmp.Diff(want, string(got.Text)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]recipe.LockedDirectory{{Path: "v1/one/", SHA256: hexSum(one)}, {Path: "v1/two/arm/", SHA256: hexSum(two)}}, got.Directories); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	if !strings.Contains(said, "pkg/artifacts.py also has Path.NEW, which the recipe does not use") {
		t.Errorf("it said %q", said)
	}
	server.Close()
	if again, _, err := lockManifestNow(t, dir, module, m, &recipe.Lock{Manifests: []recipe.LockedManifest{got}}); err != nil || cmp.Diff(got, again) != "" {
		t.Errorf("with the earlier lock and no server: %v\n%s", err, cmp.Diff(got, again))
	}

	m.Directories["{Sum.ALL}"] = "{Sum.NONE}"
	_, _, err = lockManifestNow(t, dir, module, m, &recipe.Lock{})
	for _, says := range []string{"manifest kernels: ", "Sum.ALL is not a constant that can be read without running Python", "no string constant Sum.NONE; it has Sum.ONE, Sum.TWO.arm"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("what is not understood gave %v, want %q", err, says)
		}
	}
}

// A manifest's directories follow the target, and of what the lists name only what
// it includes is taken, whatever an earlier lock took.
func TestLockManifestTakesWhatItIncludes(t *testing.T) {
	t.Parallel()
	list := hexSum("kernel") + "  a.cubin\n" + hexSum("header") + "  include/a.h\n" + hexSum("lib") + "  a.so\n"
	server := serveFiles(t, map[string]string{"/v1/two/aarch64/sums.txt": list})
	m := recipe.Manifest{
		Name: "kernels", URL: server.URL + "/", Source: "a", File: "pkg/artifacts.py", List: "sums.txt", MaxFile: 100,
		Directories: map[string]string{"{Path.TWO}{machine}/": "{Sum.TWO.{machine}}"}, Include: []string{"*.cubin", "include/*.h"},
	}
	module := fmt.Sprintf(strings.ReplaceAll(artifactsModule, "arm", "aarch64"), hexSum("x"), hexSum(list))
	dir := t.TempDir()
	whole := m
	whole.Include = nil
	before, _, err := lockManifestNow(t, dir, module, whole, &recipe.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := lockManifestNow(t, dir, module, m, &recipe.Lock{Manifests: []recipe.LockedManifest{before}})
	want := hexSum("kernel") + "  v1/two/aarch64/a.cubin\n" + hexSum("header") + "  v1/two/aarch64/include/a.h\n" + hexSum(list) + "  v1/two/aarch64/sums.txt\n"
	if diff := cmp.Diff(want, string(got.Text)); err != nil || diff != "" {
		t.Errorf("files (%v, -want +got):\n%s", err, diff)
	}
	m.Include = []string{"*.cubim"}
	if _, _, err := lockManifestNow(t, dir, module, m, &recipe.Lock{}); err == nil || !strings.Contains(err.Error(), "include matches none of the 3 files") {
		t.Errorf("a pattern that takes nothing gave %v", err)
	}
}

// What a hostile list names is refused before a byte of it is asked for.
func TestLockManifestRefuses(t *testing.T) {
	t.Parallel()
	sum := hexSum("x")
	for name, tt := range map[string]struct{ list, dir, says string }{
		"out of the tree":   {sum + " ../x\n", "d/", `sums.txt:1: "../x" is not a path below its directory`},
		"absolute":          {sum + " /etc/passwd\n", "d/", `is not a path below`},
		"another server":    {sum + " https://example.com/x\n", "d/", `is not a path below`},
		"encoded":           {sum + " a/%2e%2e/x\n", "d/", `is not a path below`},
		"twice":             {sum + " x\n" + hexSum("y") + " x\n", "d/", "d/x occurs twice"},
		"the list itself":   {sum + " sums.txt\n", "d/", "d/sums.txt occurs twice"},
		"a file as its dir": {sum + " x\n" + sum + " x/y\n", "d/", "d/x is a file, but d/x/y is below it"},
		"no sha256":         {"abc x\n", "d/", `"abc x" is not a sha256 and a path`},
		"a space":           {sum + " x y\n", "d/", `is not a sha256 and a path`},
		"a directory out":   {sum + " x\n", "../d/", `directory "../d/" is not a path`},
		"no slash":          {sum + " x\n", "d", `directory "d" is not a path that ends in a slash`},
		"another list":      {"", "other/", "has the sha256 " + hexSum("something else")},
		"an endless list":   {strings.Repeat("x", sources.LongestList+1), "d/", "more than 33554432 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveFiles(t, map[string]string{"/d/sums.txt": tt.list, "/other/sums.txt": "something else"})
			dir := t.TempDir()
			m := recipe.Manifest{Name: "k", URL: server.URL + "/", List: "sums.txt", Directories: map[string]string{tt.dir: hexSum(tt.list)}}
			if _, _, err := lockManifestNow(t, dir, "", m, &recipe.Lock{}); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("it gave %v, want %q", err, tt.says)
			}
			if n := server.requests.Load(); n > 1 {
				t.Errorf("%d requests were made", n)
			}
		})
	}
}

// A manifest's files come as a tree, and one that is too large or another than
// the list says does not come at all.
func TestPlaceManifest(t *testing.T) {
	t.Parallel()
	server := serveFiles(t, map[string]string{"/d/a": "one", "/d/sub/b": "two"})
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	env := host.Env{Store: st, Index: &index.Client{}, Jobs: 2}
	place := func(limit int64, entries ...recipe.Entry) (string, error) {
		locked, err := recipe.NewManifest("k", server.URL+"/", nil, entries)
		if err != nil {
			t.Fatal(err)
		}
		m := recipe.Manifest{Name: "k", URL: server.URL + "/", MaxFile: limit}
		in, err := sources.ManifestInput(m, &recipe.Lock{Manifests: []recipe.LockedManifest{locked}}, "/x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := env.Index.Fetch(t.Context(), in.Pins, env.Blobs(), 2, nil); err != nil {
			return "", err
		}
		return in.Place(t.Context(), env)
	}
	a, b := recipe.Entry{Path: "d/a", SHA256: hexSum("one")}, recipe.Entry{Path: "d/sub/b", SHA256: hexSum("two")}
	dir, err := place(3, b, a)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"d/a", "d/sub/b"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(text)
	}
	if diff := cmp.Diff(map[string]string{"d/a": "one", "d/sub/b": "two"}, got); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	server.files["/d/a"] = "much longer"
	if _, err := place(5, recipe.Entry{Path: "d/a", SHA256: hexSum("much longer")}); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
		t.Errorf("a file that is too large gave %v", err)
	}
	if _, err := place(100, recipe.Entry{Path: "d/a", SHA256: hexSum("another")}); err == nil || !strings.Contains(err.Error(), "but "+hexSum("another")) {
		t.Errorf("another file gave %v", err)
	}
}
