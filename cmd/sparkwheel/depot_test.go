package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// depot is a place where the program works with a lock made by hand: a recipe of
// published wheels and files for another platform, whose image needs neither an
// index, nor uv, nor a sandbox.
type depot struct {
	t      *testing.T
	dir    string
	server *httptest.Server
	lock   *recipe.Lock
	// git serves repositories below /org/, sources are what the lock pins of them.
	git     http.Handler
	sources []recipe.LockedSource

	mu     sync.Mutex
	bodies map[string][]byte // path on the server -> content
	asked  map[string]int64  // path -> bytes of bodies sent
}

const depotHost = "https://files.example.com/"

const depotRecipe = `
[target]
platform = "linux/arm64"
python = "3.12"
[base]
image = "tar:%s"
[tools]
uv = "0.13.9"
[[file]]
name = "words"
url = "https://files.example.com/words.txt"
image = "/opt/words/words.txt"
[[file]]
name = "tool"
url = "https://files.example.com/tool.sh"
image = "/lib/tool"
executable = true
[runtime]
requires = ["one", "two"]
`

func openDepot(t *testing.T) *depot {
	t.Helper()
	d := &depot{t: t, dir: t.TempDir(), bodies: map[string][]byte{}, asked: map[string]int64{}}
	d.server = httptest.NewServer(http.HandlerFunc(d.serve))
	t.Cleanup(d.server.Close)
	d.bodies["/words.txt"] = []byte("a\nb\n")
	d.bodies["/tool.sh"] = []byte("#!/bin/sh\n")
	base := foreignRoot(t, elf.EM_AARCH64, "aarch64")
	d.write("base.tar", string(base))
	d.write("recipe.toml", fmt.Sprintf(depotRecipe, filepath.Join(d.dir, "base.tar")))
	d.makeLock()
	return d
}

func (d *depot) serve(w http.ResponseWriter, r *http.Request) {
	if d.git != nil && strings.HasPrefix(r.URL.Path, "/org/") {
		d.git.ServeHTTP(w, r)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	body, ok := d.bodies[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	d.asked[r.URL.Path] += int64(len(body))
	http.ServeContent(w, r, "file", time.Time{}, bytes.NewReader(body))
}

func (d *depot) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *depot) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// makeLock pins what the server has, as `sparkwheel lock` would.
func (d *depot) makeLock() {
	d.t.Helper()
	r, err := recipe.Load(filepath.Join(d.dir, "recipe.toml"))
	if err != nil {
		d.t.Fatal(err)
	}
	img, err := archive.Tar(d.t.Context(), filepath.Join(d.dir, "base.tar"), filepath.Join(d.dir, "base"))
	if err != nil {
		d.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		d.t.Fatal(err)
	}
	var pylock strings.Builder
	pylock.WriteString("lock-version = \"1.0\"\ncreated-by = \"uv\"\n")
	for _, name := range []string{"one", "two"} {
		file := name + "-1.0-py3-none-any.whl"
		d.bodies["/"+file] = wheeltest.New(file, name+".py", "x = 1\n").Pack()
		fmt.Fprintf(&pylock, "[[packages]]\nname = %q\nversion = \"1.0\"\n[[packages.wheels]]\nurl = %q\nsize = %d\nhashes = { sha256 = %q }\n",
			name, depotHost+file, len(d.bodies["/"+file]), sumOf(d.bodies["/"+file]))
	}
	set := recipe.NewSet("runtime", []byte(pylock.String()))
	d.lock = &recipe.Lock{
		Version: recipe.LockVersion, Recipe: r.Name, RecipeDigest: r.Digest, Platform: "linux/arm64", Python: "3.12",
		Base:    recipe.LockedBase{Reference: r.Base, Digest: digest.String(), Interpreter: "/usr/bin/python3"},
		UV:      []recipe.LockedUV{},
		Runtime: &set, Sources: d.sources,
	}
	for _, f := range r.Files {
		body := d.bodies["/"+strings.TrimPrefix(f.URL, depotHost)]
		d.lock.Files = append(d.lock.Files, recipe.LockedFile{Name: f.Name, URL: f.URL, SHA256: sumOf(body), Size: int64(len(body))})
	}
	if err := d.lock.Save(filepath.Join(d.dir, "recipe.lock")); err != nil {
		d.t.Fatal(err)
	}
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// getenv leaves nothing to the host but that the index is the depot's server,
// which knows no distribution.
func (d *depot) getenv(name string) string {
	if name == "UV_DEFAULT_INDEX" {
		return d.server.URL + "/simple/"
	}
	return ""
}

// run is the program in this process, with the depot's recipe, store and server.
func (d *depot) run(command string, args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, errs bytes.Buffer
	all := append([]string{command, "-r", filepath.Join(d.dir, "recipe.toml"), "--store", filepath.Join(d.dir, "store"),
		"--mirror", depotHost + "=" + d.server.URL + "/", "--progress", "plain"}, args...)
	code = run(d.t.Context(), all, environment{
		Getenv: d.getenv, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
	})
	return code, strings.TrimSpace(out.String()), errs.String()
}

func (d *depot) mustRun(command string, args ...string) string {
	d.t.Helper()
	code, stdout, stderr := d.run(command, args...)
	if code != codeDone {
		d.t.Fatalf("sparkwheel %s %q ended with %d:\n%s", command, args, code, stderr)
	}
	return stdout
}

// wantCode runs a command that must end with that code and say so.
func (d *depot) wantCode(code int, says []string, command string, args ...string) {
	d.t.Helper()
	got, _, stderr := d.run(command, args...)
	if got != code {
		d.t.Fatalf("sparkwheel %s %q ended with %d, want %d:\n%s", command, args, got, code, stderr)
	}
	for _, s := range says {
		if !strings.Contains(stderr, s) {
			d.t.Errorf("sparkwheel %s %q does not say %q:\n%s", command, args, s, stderr)
		}
	}
}
