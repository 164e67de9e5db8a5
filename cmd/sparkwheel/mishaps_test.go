package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// serveBody changes what the server has under a path; nil takes it away.
func (d *depot) serveBody(path string, body []byte) (before []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before = d.bodies[path]
	if d.bodies[path] = body; body == nil {
		delete(d.bodies, path)
	}
	return before
}

// Other bytes than the lock's, and none at all, are told with what to do; the
// rest comes, and the next right run brings what is missing.
func TestFetchOfOtherBytes(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	right := d.serveBody("/words.txt", []byte("b\na\n"))
	d.wantCode(codeFailed, []string{
		"checking words.txt from " + d.server.URL + "/words.txt: sha256 is " + sumOf([]byte("b\na\n")) + ", but " + sumOf(right),
		"sparkwheel lock --upgrade=words",
	}, "fetch")
	d.serveBody("/words.txt", []byte("longer than it was"))
	d.wantCode(codeFailed, []string{"it has 18 bytes, but 4 are pinned"}, "fetch")
	d.serveBody("/words.txt", nil)
	d.wantCode(codeNetwork, []string{d.server.URL + "/words.txt answers 404", "fetching words.txt (pinned in the lock as file words): ", "if a mirror has it, give --mirror PREFIX=BASE; build from a bundle that has it; or use another version: `sparkwheel lock --upgrade=words`"}, "fetch")
	d.serveBody("/words.txt", right)
	if got := d.mustRun("fetch"); !strings.HasPrefix(got, "4 files, ") || !strings.Contains(got, "of which 4 B downloaded now") {
		t.Errorf("the next right fetch says %q", got)
	}
}

// Each edit of a lock by hand is told for what it is, and nothing is fetched or
// built by it.
func TestLockEditedByHand(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.mustRun("fetch")
	lock, pylock := d.read("recipe.lock"), d.read("pylock.recipe_runtime.toml")
	words := d.lock.Files[1]
	for name, tt := range map[string]struct {
		file, old, now string
		code           int
		says           []string
	}{
		"a hash":          {"recipe.lock", words.SHA256, strings.Repeat("1", 64), codeFailed, []string{"checking words.txt", "but " + strings.Repeat("1", 64)}},
		"half a hash":     {"recipe.lock", words.SHA256, words.SHA256[:32], codeFailed, []string{"words.txt", "its pin has no sha256", "sparkwheel lock"}},
		"a URL":           {"recipe.lock", words.URL, depotHost + "other.txt", codeNotLocked, []string{"missing in the lock: file words as the recipe has it (" + words.URL, "run `sparkwheel lock`"}},
		"a missing table": {"recipe.lock", "name = 'words'", "name = 'sword'", codeNotLocked, []string{"missing in the lock: file words; run `sparkwheel lock`"}},
		"an unknown key":  {"recipe.lock", "platform = ", "platfrom = ", codeNotLocked, []string{"recipe.lock:6:1: unknown key platfrom (nearest known key: platform)", "sparkwheel lock -r"}},
		"no TOML":         {"recipe.lock", "lock-version = 1", "lock-version = ", codeNotLocked, []string{"the lock cannot be read", "sparkwheel lock -r"}},
		"another recipe":  {"recipe.lock", d.lock.RecipeDigest, "sha256:" + strings.Repeat("2", 64), codeNotLocked, []string{"recipe recipe has changed since it was locked; run `sparkwheel lock -r"}},
		"a later version": {"recipe.lock", "lock-version = 1", "lock-version = 2", codeNotLocked, []string{"lock version 2, but this sparkwheel reads 1"}},
		"a base":          {"recipe.lock", d.lock.Base.Digest, "sha256:" + strings.Repeat("3", 64), codeFailed, []string{"it is now " + d.lock.Base.Digest + ", but the lock pins sha256:3333", "sparkwheel lock --upgrade=base"}},
		"a pylock":        {"pylock.recipe_runtime.toml", "two-1.0", "two-2.0", codeNotLocked, []string{"pylock.recipe_runtime.toml was changed by hand", "the lock pins " + d.lock.Runtime.SHA256}},
		"a path":          {"recipe.lock", "'pylock.recipe_runtime.toml'", "'../pylock.recipe_runtime.toml'", codeNotLocked, []string{"is not a file in the lock's directory"}},
	} {
		text := map[string]string{"recipe.lock": lock, "pylock.recipe_runtime.toml": pylock}[tt.file]
		if !strings.Contains(text, tt.old) {
			t.Fatalf("%s: %s does not hold %q", name, tt.file, tt.old)
		}
		d.write(tt.file, strings.Replace(text, tt.old, tt.now, 1))
		// Only a damaged hash gets as far as the network.
		d.wantCode(tt.code, tt.says, "build", "--locked", "-o", filepath.Join(d.dir, "out"))
		if _, err := os.Stat(filepath.Join(d.dir, "out/image")); err == nil {
			t.Errorf("%s: an image was built by it", name)
		}
		d.write(tt.file, text)
	}
	d.mustRun("build", "--offline", "-o", filepath.Join(d.dir, "out"))
}

// A store of another version is never misread, be it older or newer.
func TestStoreOfAnotherVersion(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.mustRun("fetch")
	right := d.read("store/version")
	for _, version := range []string{"sparkwheel store 0\n", "sparkwheel store 2\n", "something else"} {
		d.write("store/version", version)
		d.wantCode(codeFailed, []string{"it is a \"" + strings.TrimSpace(version) + "\", but this sparkwheel writes \"sparkwheel store 1\"", "give --store another directory"}, "fetch")
	}
	d.write("store/version", right)
	if got := d.mustRun("fetch"); !strings.Contains(got, "of which 0 B downloaded now") {
		t.Errorf("the store's files were brought again: %s", got)
	}
}

// A bundle that lacks a file, or has half of one, or is another lock's, is told
// by name; a whole one builds.
func TestBundleThatIsNotWhole(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	bundle := filepath.Join(d.dir, "bundle")
	d.mustRun("fetch", "--bundle", bundle)
	offline := []string{"--offline", "--store", bundle, "--lock", filepath.Join(bundle, "sparkwheel.lock"), "-o", filepath.Join(d.dir, "out")}
	blob := func(name string) string { return filepath.Join("bundle/blobs/sha256", sumOf(d.bodies["/"+name])) }
	for name, says := range map[string]string{"words.txt": "words.txt", "two-1.0-py3-none-any.whl": "two-1.0-py3-none-any.whl"} {
		path := filepath.Join(d.dir, blob(name))
		whole := d.read(blob(name))
		if err := os.Remove(path); err != nil { // it is a link to the store's
			t.Fatal(err)
		}
		d.wantCode(codeNotLocked, []string{says + " is not cached and --offline forbids downloading it"}, "build", offline...)
		d.write(blob(name), whole[:len(whole)-1])
		d.wantCode(codeNotLocked, []string{fmt.Sprintf("the cached %s is damaged (%d bytes of %d)", says, len(whole)-1, len(whole))}, "build", offline...)
		d.write(blob(name), whole)
	}
	sums := exec.CommandContext(t.Context(), "sha256sum", "--quiet", "-c", "SHA256SUMS")
	sums.Dir = bundle
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("SHA256SUMS: %v\n%s", err, out)
	}

	// The bundle of a lock whose file has changed since.
	d.serveBody("/words.txt", []byte("c\n"))
	d.makeLock()
	d.wantCode(codeNotLocked, []string{"words.txt is not cached"}, "build", "--offline", "--store", bundle, "-o", filepath.Join(d.dir, "out"))
	d.mustRun("fetch", "--bundle", bundle)
	d.mustRun("build", offline...)
}

// A blob of the store whose bytes changed does not get into a bundle.
func TestBundleOfADamagedStore(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.mustRun("fetch")
	d.write(filepath.Join("store/blobs/sha256", sumOf(d.bodies["/words.txt"])), "a\nc\n")
	d.wantCode(codeFailed, []string{"the store is damaged", "sparkwheel cache verify"}, "fetch", "--bundle", filepath.Join(d.dir, "bundle"))
}

// An environment without a wheel for the platform says which wheels there are.
func TestLockWithoutAWheelForThePlatform(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	text := strings.ReplaceAll(d.read("pylock.recipe_runtime.toml"), "two-1.0-py3-none-any", "two-1.0-cp312-cp312-manylinux_2_28_x86_64")
	set := recipe.NewSet("runtime", []byte(text))
	d.lock.Runtime = &set
	if err := d.lock.Save(filepath.Join(d.dir, "recipe.lock")); err != nil {
		t.Fatal(err)
	}
	d.wantCode(codeFailed, []string{"two 1.0 has no wheel for this target; available:", "two-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "use versions that have a wheel"}, "fetch")
}

// A tag that moved changes nothing for a lock; a commit that is gone upstream is
// told, and comes from a bundle.
func TestMovedTagAndVanishedCommit(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	h, err := gittest.Handler(filepath.Join(d.dir, "git"))
	if err != nil {
		t.Skip(err)
	}
	d.git = h
	dir := filepath.Join(d.dir, "git/org/a.git")
	git := func(args ...string) string {
		c := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
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
	git("tag", "v1")
	commit := git("rev-parse", "HEAD")
	d.write("recipe.toml", d.read("recipe.toml")+"[[source]]\nname = \"a\"\nurl = \""+depotHost+"org/a.git\"\nref = \"v1\"\nversion = \"1.0\"\n")
	d.sources = []recipe.LockedSource{{Name: "a", URL: depotHost + "org/a.git", Ref: "v1", Commit: commit, Tree: git("rev-parse", "HEAD^{tree}"), Version: "1.0"}}
	d.makeLock()

	d.write("git/org/a.git/file", "two\n")
	git("commit", "-q", "-a", "-m", "two")
	git("tag", "-f", "v1")
	d.mustRun("fetch")
	bundle := filepath.Join(d.dir, "bundle")
	d.mustRun("fetch", "--bundle", bundle)

	git("checkout", "-q", "--orphan", "other")
	git("commit", "-q", "-m", "another history")
	git("branch", "-q", "-D", "main")
	git("tag", "-f", "v1")
	git("reflog", "expire", "--expire=now", "--all")
	git("gc", "-q", "--prune=now")
	d.wantCode(codeFailed, []string{"commit " + commit + " is no longer at " + depotHost + "org/a.git (it was v1 when it was locked)", "sparkwheel lock --upgrade=a"}, "fetch", "--store", filepath.Join(d.dir, "empty"))
	d.mustRun("build", "--offline", "--store", bundle, "-o", filepath.Join(d.dir, "out"))
}
