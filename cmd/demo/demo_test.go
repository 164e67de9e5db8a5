package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tinyProject is a project with a submodule, and its sdist.
func tinyProject(t *testing.T) (p project, sdist string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range []tar.Header{
		{Name: "tiny-1.0/", Typeflag: tar.TypeDir, Mode: 0o775},
		{Name: "tiny-1.0/PKG-INFO", Typeflag: tar.TypeReg, Mode: 0o664},
		{Name: "tiny-1.0/tiny.egg-info/SOURCES.txt", Typeflag: tar.TypeReg, Mode: 0o664},
		{Name: "tiny-1.0/.gitignore", Typeflag: tar.TypeReg, Mode: 0o664},
		{Name: "tiny-1.0/build/ignored but there", Typeflag: tar.TypeReg, Mode: 0o664},
		{Name: "tiny-1.0/run.sh", Typeflag: tar.TypeReg, Mode: 0o775},
		{Name: "tiny-1.0/link", Typeflag: tar.TypeSymlink, Linkname: "run.sh"},
		{Name: "tiny-1.0/3rdparty/part/include/part.h", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "tiny-1.0/3rdparty/partly.h", Typeflag: tar.TypeReg, Mode: 0o644},
	} {
		text := "build/\n" + h.Name
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			fmt.Fprint(w, text)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sdist = filepath.Join(t.TempDir(), "tiny-1.0.tar.gz")
	if err := os.WriteFile(sdist, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return project{
		repository: "tiny-project/tiny", sdist: "tiny", version: "1.0", released: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		made: []string{"PKG-INFO", "tiny.egg-info"}, written: map[string]string{"version.txt": "1.0\n"},
		submodules: []submodule{{"3rdparty/part", "Other/part"}},
	}, sdist
}

// TestRepositories makes a project's repositories and lets git clone them at
// their upstream addresses.
func TestRepositories(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git: apt-get install git")
	}
	p, sdist := tinyProject(t)
	dir := filepath.Join(t.TempDir(), "git")
	for range 2 { // the second time over the first
		if n, err := p.makeRepositories(t.Context(), sdist, dir); err != nil || n != 6 {
			t.Fatalf("%d files, %v", n, err)
		}
	}
	h, err := gitHandler(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	clone := filepath.Join(t.TempDir(), "clone")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "url.http://" + s.address + "/.insteadOf=" + forge}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("clone", "-q", "--recursive", "-b", "v1.0", forge+"tiny-project/tiny", clone)
	want := strings.Join([]string{
		"100644 .gitignore", "100644 .gitmodules", "160000 3rdparty/part", "100644 3rdparty/partly.h",
		"100644 build/ignored but there", "120000 link", "100755 run.sh", "100644 version.txt",
	}, "\n")
	if diff := cmp.Diff(want, git("-C", clone, "ls-files", "--format=%(objectmode) %(path)")); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if got := git("-C", clone, "status", "--short"); got != "" {
		t.Errorf("the clone differs from its commit:\n%s", got)
	}
	if got := git("-C", clone, "log", "--format=%H %cI"); got != "e91cdb111022de8ce2746fd310ab69a132407936 2026-01-02T03:04:05+00:00" {
		t.Errorf("commit is %s", got)
	}
	if _, err := os.Stat(filepath.Join(clone, "3rdparty", "part", "include", "part.h")); err != nil {
		t.Error(err)
	}
	if got := git("-C", clone, "config", "-f", ".gitmodules", "submodule.3rdparty/part.url"); got != forge+"Other/part.git" {
		t.Errorf("the submodule's address is %s", got)
	}
	resp, err := http.Get("http://" + s.address + "/nobody/nothing.git/info/refs?service=git-upload-pack")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown repository answers %s", resp.Status)
	}
}

func TestCodename(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ID=ubuntu\nVERSION_CODENAME=noble\n":   "noble",
		"VERSION_CODENAME=\"bookworm\"\nID=x\n": "bookworm",
		"ID=fedora\n":                           "",
	} {
		file := filepath.Join(t.TempDir(), "os-release")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := codename(file)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("codename of %q is %q, %v", text, got, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := func() *answer {
		return &answer{
			Distributions: []installed{{Name: "vllm", Version: "0.22.1+empty"}, {Name: "flashinfer-python", Version: "0.6.12"}},
			Commits:       map[string]string{".vllm-commit": "abc"},
		}
	}
	if err := good().check(map[string]string{".vllm-commit": "abc"}); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(a *answer){
		"not 0.22.1":                 func(a *answer) { a.Distributions[0].Version = "0.22.2" },
		"missing in the image: vllm": func(a *answer) { a.Distributions = a.Distributions[1:] },
		"differ from its RECORD":     func(a *answer) { a.Distributions[1].Wrong = []string{"x.py"} },
		"built was abc":              func(a *answer) { a.Commits = nil },
	} {
		a := good()
		spoil(a)
		if err := a.check(map[string]string{".vllm-commit": "abc"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}
