package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// workshop is a place where the real program builds a small real project from a
// real git server, on a Debian base, with requirements from the Python index.
type workshop struct {
	t       *testing.T
	dir     string // readable by everyone
	program string
	git     *httptest.Server
	base    string
}

// debianBase makes the base once a test run.
var debianBase = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sparkwheel-base-*")
	if err != nil {
		return "", err
	}
	base := filepath.Join(dir, "base.tar")
	cmd := exec.Command("mmdebstrap", "--variant=minbase", "--include=python3", "bookworm", base)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1780272000")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return base, errors.Join(os.Chmod(dir, 0o755), os.Chmod(base, 0o644))
})

func openWorkshop(t *testing.T) *workshop {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("needs root, mmdebstrap and the Python index: set SPARKWHEEL_E2E=1")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to build as root and as an ordinary user")
	}
	base, err := debianBase()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sparkwheel-e2e-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &workshop{t: t, dir: dir, base: base, program: filepath.Join(dir, "sparkwheel")}
	w.must(os.Chmod(dir, 0o755))
	w.command("", "go", "build", "-o", w.program, ".").mustRun()
	w.repository()
	h, err := gittest.Handler(filepath.Join(dir, "git"))
	w.must(err)
	w.git = httptest.NewServer(h)
	t.Cleanup(w.git.Close)
	w.write("recipe.toml", workshopRecipe)
	return w
}

const workshopRecipe = `
[target]
platform = "host"
python = "base"
[base]
image = "docker.io/library/python:3.12-slim-bookworm"
[tools]
uv = "0.13.9"
[[source]]
name = "alpha"
url = "https://example.com/org/alpha.git"
ref = "v1.4"
version = "tag"
marker = ".alpha-commit"
[source.rewrite]
drop = ["triton", "flashinfer-*"]
pin = { torch = "==2.11.0" }
files = ["requirements/**"]
[[source]]
name = "beta"
url = "https://example.com/org/beta.git"
ref = "main"
version = "2.0"
[[wheel]]
name = "alpha"
source = "alpha"
distribution = "alpha"
environment = { ALPHA_VERSION = "{version}" }
[[wheel]]
name = "beta"
source = "beta"
distribution = "beta"
[image]
workdir = "/workspace"
`

func (w *workshop) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, []byte(text), 0o644))
}

// repository makes the upstream projects, with fixed commits.
func (w *workshop) repository() {
	w.t.Helper()
	w.write("git/org/alpha.git/pyproject.toml", "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n")
	w.write("git/org/alpha.git/setup.py", "import os\nfrom setuptools import setup\nlines = [l.strip() for l in open('requirements/common.txt') if l.strip() and l[0] != '#']\n"+
		"setup(name='alpha', version=os.environ['ALPHA_VERSION'], packages=['alpha'], install_requires=lines, entry_points={'console_scripts': ['alpha = alpha:main']})\n")
	w.write("git/org/alpha.git/alpha/__init__.py", "def main():\n    print('alpha runs')\n")
	w.write("git/org/alpha.git/requirements/common.txt", "# torch is pinned upstream\ntorch==2.10.0\ntriton\ntriton-kernels\nflashinfer-python==0.6.11\n")
	w.write("git/org/beta.git/pyproject.toml", "[build-system]\nrequires = [\"setuptools>=77\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"beta\"\nversion = \"2.0\"\n[tool.setuptools]\npy-modules = [\"beta\"]\n")
	w.write("git/org/beta.git/beta.py", "import time\n")
	for _, name := range []string{"alpha", "beta"} {
		dir := filepath.Join(w.dir, "git/org", name+".git")
		for _, args := range [][]string{
			{"init", "-q", "-b", "main"}, {"add", "-A", "-f"}, {"commit", "-q", "-m", "one"}, {"tag", "v1.4"},
			{"config", "uploadpack.allowFilter", "true"}, {"config", "uploadpack.allowAnySHA1InWant", "true"},
		} {
			c := w.command("", "git", append([]string{"-C", dir}, args...)...)
			c.Env = append(c.Env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=2026-06-03T12:00:00Z",
				"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_COMMITTER_DATE=2026-06-03T12:00:00Z")
			c.mustRun()
		}
	}
}

// running is a command with what it printed.
type running struct {
	*exec.Cmd
	t              *testing.T
	stdout, stderr bytes.Buffer
}

func (w *workshop) command(user, name string, args ...string) *running {
	c := &running{t: w.t}
	if user != "" {
		args = append([]string{"--reuid=" + user, "--regid=nogroup", "--clear-groups", "--", name}, args...)
		name = "setpriv"
	}
	c.Cmd = exec.CommandContext(w.t.Context(), name, args...)
	c.Env = os.Environ()
	c.Stdout, c.Stderr = &c.stdout, &c.stderr
	return c
}

func (c *running) mustRun() string {
	c.t.Helper()
	if err := c.Run(); err != nil {
		c.t.Fatalf("%s: %v\n%s", c.Args, err, c.stderr.String())
	}
	return strings.TrimSpace(c.stdout.String())
}

// wantCode runs a command that must end with that code and say so.
func (c *running) wantCode(code int, says ...string) {
	c.t.Helper()
	err := c.Run()
	if got := c.ProcessState.ExitCode(); got != code {
		c.t.Fatalf("%s ended with %d (%v), want %d\n%s", c.Args, got, err, code, c.stderr.String())
	}
	for _, s := range says {
		if !strings.Contains(c.stderr.String(), s) {
			c.t.Errorf("%s does not say %q:\n%s", c.Args, s, c.stderr.String())
		}
	}
}

// sparkwheel is the program with the workshop's recipe and git server.
func (w *workshop) sparkwheel(user, place, command string, args ...string) *running {
	dir := filepath.Join(w.dir, place)
	w.must(os.MkdirAll(dir, 0o777))
	w.must(os.Chmod(dir, 0o777))
	all := append([]string{command, "-r", filepath.Join(w.dir, "recipe.toml"), "--store", filepath.Join(dir, "store"),
		"--mirror", "https://example.com/=" + w.git.URL + "/", "--progress", "plain"}, args...)
	c := w.command(user, w.program, all...)
	c.Dir = dir
	c.Env = append(c.Env, "HOME="+dir)
	return c
}
