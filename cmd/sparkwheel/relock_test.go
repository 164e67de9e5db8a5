package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git/gittest"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

const relockRecipe = `
[target]
platform = "linux/arm64"
python = "3.12"
[base]
image = "tar:BASE"
[tools]
uv = "0.13.9"
[[source]]
name = "a"
url = "https://files.example.com/org/a.git"
ref = "v1.0"
version = "scm"
[[file]]
name = "words"
url = "https://files.example.com/words.txt"
image = "/opt/words.txt"
[runtime]
requires = ["one"]
`

// answering is a program in uv's place that answers every question with one
// distribution: what uv itself does is tried in the e2e tests.
const answering = `#!/bin/sh
while [ "$1" != -o ]; do shift; done
cat > "$2" <<END
lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "one"
version = "1.0"
[[packages.wheels]]
url = "https://files.example.com/one-1.0-py3-none-any.whl"
size = SIZE
hashes = { sha256 = "SHA256" }
END
`

// openRelocked is a depot whose recipe `sparkwheel lock` can lock: of a git
// repository and a file. The first lock has nothing but uv.
func openRelocked(t *testing.T) (d *depot, git func(args ...string) string) {
	t.Helper()
	d = openDepot(t)
	h, err := gittest.Handler(filepath.Join(d.dir, "git"))
	if err != nil {
		t.Skip(err)
	}
	d.git = h
	git = func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(d.dir, "git/org/a.git"), "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	d.write("git/org/a.git/file", "one\n")
	git("init", "-q", "-b", "main")
	git("add", "file")
	git("commit", "-q", "-m", "one")
	git("tag", "v1.0")
	for _, name := range []string{"recipe.lock", "pylock.recipe_runtime.toml"} {
		if err := os.Remove(filepath.Join(d.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	d.write("recipe.toml", strings.Replace(relockRecipe, "BASE", filepath.Join(d.dir, "base.tar"), 1))
	one := d.bodies["/one-1.0-py3-none-any.whl"]
	l := &recipe.Lock{Version: recipe.LockVersion, Recipe: "recipe"}
	for platform, tag := range map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"} {
		file := "uv-0.13.9-py3-none-manylinux_2_28_" + tag + ".whl"
		w := wheeltest.New(file)
		w.Add("uv-0.13.9.data/scripts/uv", strings.NewReplacer("SIZE", strconv.Itoa(len(one)), "SHA256", sumOf(one)).Replace(answering))
		body := w.Pack()
		d.serveBody("/"+file, body)
		l.UV = append(l.UV, recipe.LockedUV{Version: "0.13.9", Platform: platform, File: file, URL: depotHost + file, SHA256: sumOf(body), Size: int64(len(body))})
	}
	if err := l.Save(filepath.Join(d.dir, "uv.lock")); err != nil {
		t.Fatal(err)
	}
	d.write("recipe.lock", d.read("uv.lock"))
	return d, git
}

func (d *depot) edit(old, now string) {
	d.t.Helper()
	text := d.read("recipe.toml")
	if !strings.Contains(text, old) {
		d.t.Fatalf("the recipe does not hold %q", old)
	}
	d.write("recipe.toml", strings.Replace(text, old, now, 1))
}

// locked is the lock that is there.
func (d *depot) locked(name string) *recipe.Lock {
	d.t.Helper()
	l, err := recipe.ReadLock(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// says runs a command that must succeed and say that, and show those changes of
// the lock alone.
func (d *depot) says(want, changes []string, command string, args ...string) {
	d.t.Helper()
	code, _, stderr := d.run(command, args...)
	if code != codeDone {
		d.t.Fatalf("sparkwheel %s %q ended with %d:\n%s", command, args, code, stderr)
	}
	for _, s := range want {
		if !strings.Contains(stderr, s) {
			d.t.Errorf("sparkwheel %s %q does not say %q:\n%s", command, args, s, stderr)
		}
	}
	var shown []string
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, " -> ") {
			shown = append(shown, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(changes, shown); diff != "" {
		d.t.Errorf("sparkwheel %s %q shows changes (-want +got):\n%s", command, args, diff)
	}
}

// A tag that moved, and one that left the locked commit without any, change
// nothing that is locked; lock names what it means now, and --upgrade takes it.
func TestLockAfterATagMoved(t *testing.T) {
	t.Parallel()
	d, git := openRelocked(t)
	d.mustRun("lock")
	was := git("rev-parse", "v1.0")
	if _, _, said := d.run("lock"); strings.Contains(said, "stays at") || !strings.Contains(said, "no pin has changed") {
		t.Errorf("lock of what has not changed says\n%s", said)
	}

	git("checkout", "-q", "--orphan", "other")
	d.write("git/org/a.git/file", "two\n")
	git("commit", "-q", "-a", "-m", "two")
	git("tag", "-f", "v1.0")
	now := git("rev-parse", "v1.0")
	before := d.read("recipe.lock")
	d.says([]string{"a stays at " + was + ", which was v1.0 when it was locked; v1.0 is " + now + " now, and `sparkwheel lock --upgrade=a` takes that"}, nil, "lock")
	if d.read("recipe.lock") != before {
		t.Errorf("the lock changed:\n%s", d.read("recipe.lock"))
	}
	if s := d.locked("recipe.lock").Sources[0]; s.Commit != was || s.Version != "1.0" {
		t.Errorf("locked is %s, version %s", s.Commit, s.Version)
	}
	git("tag", "-d", "v1.0")
	d.says([]string{"a stays at " + was + ", though " + depotHost + "org/a.git no longer has v1.0"}, nil, "lock")
	git("tag", "v1.0")
	d.says(nil, []string{"a: v1.0 " + was + " -> v1.0 " + now}, "lock", "--upgrade=a")

	// Without its repository, too, all that is locked stays.
	d.git = nil
	d.mustRun("lock")
	if s := d.locked("recipe.lock").Sources[0]; s.Commit != now {
		t.Errorf("locked is %s", s.Commit)
	}
}

// A build locks again what an edit of its recipe touched, and only that.
func TestBuildRelocksWhatAnEditTouched(t *testing.T) {
	t.Parallel()
	d, git := openRelocked(t)
	out := filepath.Join(d.dir, "out")
	build := func(args ...string) []string { return append([]string{"-o", out}, args...) }
	d.mustRun("build", build()...)
	was, words := git("rev-parse", "v1.0"), d.locked("recipe.lock").Files[0].SHA256
	d.write("git/org/a.git/file", "two\n")
	git("commit", "-q", "-a", "-m", "two")
	git("tag", "-f", "v1.0")
	d.serveBody("/words.txt", []byte("changed upstream\n"))

	// What no lock can tell from before needs no network and no new lock.
	before := d.read("recipe.lock")
	d.edit("[tools]", "# a comment\n\n[tools]")
	d.mustRun("build", build("--locked", "--offline")...)
	d.mustRun("plan", "--locked")
	if d.read("recipe.lock") != before {
		t.Error("a comment changed the lock")
	}

	d.edit("[tools]", "[image]\nworkdir = \"/opt\"\n[[file]]\nname = \"tool\"\nurl = \"https://files.example.com/tool.sh\"\nimage = \"/opt/tool\"\n[tools]")
	for _, command := range [][]string{{"build", "--locked"}, {"build", "--offline"}, {"plan"}, {"plan", "--locked"}, {"fetch", "--locked"}, {"fetch"}} {
		d.wantCode(codeNotLocked, []string{"recipe recipe has changed since it was locked; run `sparkwheel lock -r " + filepath.Join(d.dir, "recipe.toml") + " --lock " + filepath.Join(d.dir, "recipe.lock") + "`"}, command[0], build(command[1:]...)...)
	}
	if d.read("recipe.lock") != before {
		t.Error("what refuses the lock wrote it")
	}
	d.says([]string{"recipe recipe has changed since "}, []string{"file tool: none -> " + sumOf([]byte("#!/bin/sh\n"))}, "build", build()...)
	if l := d.locked("recipe.lock"); l.Sources[0].Commit != was || l.Files[1].SHA256 != words {
		t.Errorf("what the edit did not touch is locked anew: %+v", l)
	}
	d.mustRun("build", build("--locked", "--offline")...)

	d.edit("workdir = \"/opt\"", "workdir = \"/srv\"")
	d.says([]string{"no pin has changed"}, nil, "build", build()...)
	d.edit("ref = \"v1.0\"", "ref = \"main\"")
	d.says(nil, []string{"a: v1.0 " + was + " -> main " + git("rev-parse", "main")}, "build", build()...)
}

// What --ref asked for outlives an edit of another part of the recipe.
func TestRelockKeepsWhatFlagsAskedFor(t *testing.T) {
	t.Parallel()
	d, git := openRelocked(t)
	git("branch", "side")
	d.mustRun("lock", "--ref", "a=side")
	d.edit("[tools]", "[image]\nworkdir = \"/opt\"\n[tools]")
	d.wantCode(codeNotLocked, []string{"recipe.lock --ref a=side`"}, "plan")
	d.wantCode(codeNotLocked, []string{"it has a at side, not at main"}, "build", "--ref", "a=main", "-o", filepath.Join(d.dir, "out"))
	d.says([]string{"no pin has changed"}, nil, "build", "-o", filepath.Join(d.dir, "out"))
	d.edit("ref = \"v1.0\"", "ref = \"main\"")
	commit := git("rev-parse", "main")
	d.says(nil, []string{"a: side " + commit + " -> main " + commit}, "build", "-o", filepath.Join(d.dir, "out"))
}

// The lock of a recipe's file stands beside it, so that removing the output
// loses no pins; one that an earlier version left in the output is taken along.
func TestBuildLocksBesideTheRecipe(t *testing.T) {
	t.Parallel()
	d, git := openRelocked(t)
	out := filepath.Join(d.dir, "out")
	d.mustRun("build", "-o", out)
	was := git("rev-parse", "main")
	git("commit", "-q", "--allow-empty", "-m", "two")
	git("tag", "-f", "v1.0")
	if _, err := os.Stat(filepath.Join(out, "sparkwheel.lock")); err == nil {
		t.Error("the lock stands in the output")
	}
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	d.mustRun("build", "-o", out)
	if got := d.locked("recipe.lock").Sources[0].Commit; got != was {
		t.Errorf("after rm -rf out a is locked at %s, not at %s", got, was)
	}

	for old, now := range map[string]string{"recipe.lock": "sparkwheel.lock", "pylock.recipe_runtime.toml": "pylock.recipe_runtime.toml"} {
		if err := os.Rename(filepath.Join(d.dir, old), filepath.Join(out, now)); err != nil {
			t.Fatal(err)
		}
	}
	d.mustRun("build", "--locked", "-o", out)
	if _, err := os.Stat(filepath.Join(d.dir, "recipe.lock")); err == nil {
		t.Error("build --locked wrote a lock")
	}
	d.says([]string{"is now kept next to the recipe: " + filepath.Join(d.dir, "recipe.lock")}, nil, "build", "-o", out)
	if got := d.locked("recipe.lock").Sources[0].Commit; got != was {
		t.Errorf("the lock that came along has a at %s, not at %s", got, was)
	}
	d.write("out/sparkwheel.lock", strings.Replace(d.read("recipe.lock"), "'recipe'", "'spark'", 1))
	if err := os.Remove(filepath.Join(d.dir, "recipe.lock")); err != nil {
		t.Fatal(err)
	}
	d.wantCode(codeNotLocked, []string{"no lock at " + filepath.Join(d.dir, "recipe.lock")}, "plan", "-o", out)
}

// A lock that is named and missing is not made: the name may be misspelt.
func TestNamedLockIsMissing(t *testing.T) {
	t.Parallel()
	d, _ := openRelocked(t)
	d.mustRun("lock")
	typo := filepath.Join(d.dir, "recpie.lock")
	for _, command := range []string{"build", "plan", "fetch"} {
		for _, more := range [][]string{nil, {"--locked"}} {
			d.wantCode(codeNotLocked, []string{
				"no lock at " + typo + " (there is " + filepath.Join(d.dir, "recipe.lock") + "); run `sparkwheel lock -r " + filepath.Join(d.dir, "recipe.toml") + " --lock " + typo + "`",
			}, command, append([]string{"--lock", typo, "-o", filepath.Join(d.dir, "out")}, more...)...)
		}
	}
	for _, path := range []string{typo, filepath.Join(d.dir, "out")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	if err := os.Remove(filepath.Join(d.dir, "recipe.lock")); err != nil {
		t.Fatal(err)
	}
	d.wantCode(codeNotLocked, []string{"no lock at"}, "build", "--locked", "-o", filepath.Join(d.dir, "out"))
}

// A bundle of one's own recipe builds by the command that `fetch --help` prints, in any directory.
func TestBundleBuildsAsHelpSays(t *testing.T) {
	t.Parallel()
	d, _ := openRelocked(t)
	d.mustRun("lock")
	digest := d.mustRun("build", "-o", filepath.Join(d.dir, "out"))
	d.mustRun("fetch", "--bundle", filepath.Join(d.dir, "bundle"))
	for _, name := range []string{"recipe.toml", "recipe.lock", "base.tar", "store"} {
		if err := os.RemoveAll(filepath.Join(d.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	d.git = nil
	d.server.Close()

	help := new(bytes.Buffer)
	if code := run(t.Context(), []string{"fetch", "--help"}, environment{Getenv: d.getenv, Stdin: strings.NewReader(""), Stdout: help, Stderr: help}); code != codeDone {
		t.Fatalf("fetch --help ended with %d", code)
	}
	_, line, _ := strings.Cut(help.String(), "  sparkwheel build ")
	line, _, ok := strings.Cut(line, "\n")
	if !ok {
		t.Fatalf("fetch --help prints no build command:\n%s", help)
	}
	for _, where := range []string{"elsewhere", "bundle"} {
		at := filepath.Join(d.dir, where)
		bundle := map[string]string{"elsewhere": "../bundle", "bundle": "."}[where]
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"build"}, strings.Fields(strings.ReplaceAll(line, "DIR", bundle))...)
		c := exec.CommandContext(t.Context(), os.Args[0], append(args, "-o", filepath.Join(d.dir, "built"))...)
		c.Dir, c.Env = at, []string{"SPARKWHEEL_TEST_MAIN=1", "HOME=" + d.dir, "PATH=" + os.Getenv("PATH")}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("sparkwheel %q in %s: %v\n%s", args, where, err, out)
		}
		if !strings.Contains(string(out), digest) {
			t.Errorf("sparkwheel %q in %s made another image than %s:\n%s", args, where, digest, out)
		}
	}
}
