package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// shelf is a small index: wheels by file name, HTML pages as static servers have
// them, and other, if any, for what it lacks.
type shelf struct {
	wheels map[string][]byte
	user   string // USER:PASSWORD that opens it, "" for everybody
	yanked string // the wheel that was withdrawn
	other  http.Handler
}

func (s *shelf) add(name, version string, requires ...string) {
	file := name + "-" + version + "-py3-none-any.whl"
	metadata := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
	for _, r := range requires {
		metadata += "Requires-Dist: " + r + "\n"
	}
	if s.wheels == nil {
		s.wheels = map[string][]byte{}
	}
	s.wheels[file] = wheeltest.New(file, name+".py", "version = '"+version+"'\n", name+"-"+version+".dist-info/METADATA", metadata).Pack()
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); s.user != "" && user+":"+password != s.user {
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if body, ok := s.wheels[filepath.Base(r.URL.Path)]; ok {
		w.Write(body)
		return
	}
	name := filepath.Base(r.URL.Path)
	page := ""
	for file, body := range s.wheels {
		if strings.HasPrefix(file, name+"-") {
			sum := sha256.Sum256(body)
			withdrawn := ""
			if file == s.yanked {
				withdrawn = ` data-yanked="it eats data"`
			}
			page += fmt.Sprintf("<a href=\"../../files/%s#sha256=%s\"%s>%s</a>\n", file, hex.EncodeToString(sum[:]), withdrawn, file)
		}
	}
	switch {
	case page != "":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><body>"+page+"</body></html>")
	case s.other != nil:
		s.other.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// basesInRegistry serves an index of two bases and gives its reference and digest.
func (w *workshop) basesInRegistry() (reference, digest string) {
	w.t.Helper()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	w.t.Cleanup(server.Close)
	reference = strings.TrimPrefix(server.URL, "http://") + "/base:latest"
	var both v1.ImageIndex = empty.Index
	for architecture, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		name := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[architecture]
		root := filepath.Join(w.dir, name+".tar")
		w.must(os.WriteFile(root, foreignRoot(w.t, machine, name), 0o644))
		img, err := archive.Tar(w.t.Context(), root, filepath.Join(w.dir, name))
		w.must(err)
		both = mutate.AppendManifests(both, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	ref, err := name.ParseReference(reference)
	w.must(err)
	w.must(remote.WriteIndex(ref, both))
	h, err := both.Digest()
	w.must(err)
	return reference, h.String()
}

// A distribution of a further index is taken from there wherever it is required
// from, though the default index has a newer one; all else is not.
func TestE2EFurtherIndex(t *testing.T) {
	w := openWorkshop(t)
	real, err := (&app{environment: environment{Getenv: os.Getenv}}).userIndex()
	w.must(err)
	first := &shelf{other: (&index.Client{Index: real}).Simple(nil)}
	first.add("app", "1.0", "torchy")
	first.add("torchy", "9.0")
	first.add("kernels", "9.0")
	second := &shelf{user: "me:secret"}
	second.add("torchy", "2.0", "kernels>=1")
	second.add("kernels", "1.0")
	second.add("app", "7.0")
	one, two := httptest.NewServer(first), httptest.NewServer(second)
	t.Cleanup(one.Close)
	t.Cleanup(two.Close)
	base, list := w.basesInRegistry()
	w.write("recipe.toml", `
[target]
platform = "linux/arm64"
python = "3.12"
[base]
image = "docker.io/library/python:3.12-slim-bookworm"
[tools]
uv = "0.13.9"
[[index]]
name = "extra"
url = "https://extra.example.com/simple/"
distributions = ["Torchy", "kernels", "never-needed"]
[runtime]
requires = ["app"]
`)
	run := func(command string, args ...string) *running {
		c := w.sparkwheel("", "root", command, append(args, "--mirror", "https://extra.example.com/="+two.URL+"/")...)
		c.Env = append(c.Env, "UV_DEFAULT_INDEX="+one.URL+"/simple/", "UV_INDEX_EXTRA_USERNAME=me", "UV_INDEX_EXTRA_PASSWORD=secret")
		return c
	}
	run("lock", "--base", base).mustRun()
	pylock := w.read("pylock.recipe_runtime.toml")
	for _, says := range []string{
		one.URL + "/files/app-1.0-py3-none-any.whl", "https://extra.example.com/files/torchy-2.0-py3-none-any.whl", "https://extra.example.com/files/kernels-1.0-py3-none-any.whl",
	} {
		if !strings.Contains(pylock, says) {
			t.Errorf("pylock.recipe_runtime.toml does not say %s:\n%s", says, pylock)
		}
	}
	lock := w.read("recipe.lock")
	if !strings.Contains(lock, "distributions = ['kernels', 'torchy']") || !strings.Contains(lock, "url = 'https://extra.example.com/simple/'") {
		t.Errorf("the lock does not say what came from where:\n%s", lock)
	}
	if !strings.Contains(lock, "index = '"+list+"'") {
		t.Errorf("the lock does not hold the index %s of its base:\n%s", list, lock)
	}
	if strings.Contains(lock+pylock, "secret") || strings.Contains(lock+pylock, two.URL) {
		t.Error("a password, or the mirror's address, stands in the lock")
	}
	if digest := run("build").mustRun(); !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("build printed %q", digest)
	}
	first.yanked = "app-1.0-py3-none-any.whl"
	run("lock", "--base", base).wantCode(0, "app-1.0-py3-none-any.whl is pinned but was yanked upstream: it eats data")
	run("lock", "--base", base, "--upgrade").wantCode(1, "resolving the environment runtime", "yanked")
	first.yanked = ""
	c := run("lock", "--base", base, "--upgrade")
	c.Env = append(c.Env, "UV_INDEX_EXTRA_PASSWORD=wrong")
	c.wantCode(1, "an index failed: ", "401", "check the user and password")
}
