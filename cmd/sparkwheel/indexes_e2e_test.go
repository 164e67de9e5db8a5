package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// shelf is a small index: wheels by file name, HTML pages as static servers have
// them, and other, if any, for what it lacks.
type shelf struct {
	wheels map[string][]byte
	user   string // USER:PASSWORD that opens it, "" for everybody
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
			page += fmt.Sprintf("<a href=\"../../files/%s#sha256=%s\">%s</a>\n", file, hex.EncodeToString(sum[:]), file)
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
	base := filepath.Join(w.dir, "arm64.tar")
	w.must(os.WriteFile(base, foreignRoot(t, elf.EM_AARCH64, "aarch64"), 0o644))
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
	run("lock", "--base", "tar:"+base).mustRun()
	pylock := w.read("pylock.runtime.toml")
	for _, says := range []string{
		one.URL + "/files/app-1.0-py3-none-any.whl", "https://extra.example.com/files/torchy-2.0-py3-none-any.whl", "https://extra.example.com/files/kernels-1.0-py3-none-any.whl",
	} {
		if !strings.Contains(pylock, says) {
			t.Errorf("pylock.runtime.toml does not say %s:\n%s", says, pylock)
		}
	}
	lock := w.read("recipe.lock")
	if !strings.Contains(lock, "distributions = ['kernels', 'torchy']") || !strings.Contains(lock, "url = 'https://extra.example.com/simple/'") {
		t.Errorf("the lock does not say what came from where:\n%s", lock)
	}
	if strings.Contains(lock+pylock, "secret") || strings.Contains(lock+pylock, two.URL) {
		t.Error("a password, or the mirror's address, stands in the lock")
	}
	if digest := run("build").mustRun(); !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("build printed %q", digest)
	}
	c := run("lock", "--base", "tar:"+base, "--upgrade")
	c.Env = append(c.Env, "UV_INDEX_EXTRA_PASSWORD=wrong")
	c.wantCode(1, "an index did not answer: ", "401", "check the user and password")
}
