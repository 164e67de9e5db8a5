package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestE2EBuildIsTheSameEverywhere(t *testing.T) {
	w := openWorkshop(t)
	want := w.sparkwheel("", "root", "build", "--base", "tar:"+w.base, "-o", "out").mustRun()
	if !strings.HasPrefix(want, "sha256:") {
		t.Fatalf("build printed %q", want)
	}
	w.wheelsAreRight(filepath.Join(w.dir, "root/out"))

	w.sparkwheel("nobody", "nobody", "lock", "--base", "tar:"+w.base, "--lock", "out/sparkwheel.lock").mustRun()
	user := w.sparkwheel("nobody", "nobody", "build", "--lock", "out/sparkwheel.lock", "-o", "out", "-j", "1")
	user.Env = append(user.Env, "LC_ALL=de_DE.UTF-8", "TZ=Asia/Tokyo", "PYTHONHASHSEED=7")
	if got := user.mustRun(); got != want {
		t.Errorf("as an ordinary user the digest is %s, as root %s", got, want)
	}

	bundle := filepath.Join(w.dir, "bundle")
	w.sparkwheel("", "root", "fetch", "--lock", "../recipe.lock", "--bundle", bundle).mustRun()
	sums := w.command("", "sha256sum", "--quiet", "-c", "SHA256SUMS")
	sums.Dir = bundle
	sums.mustRun()
	w.git.Close()
	args := []string{"-r", filepath.Join(bundle, "recipe.toml"), "--store", bundle, "--lock", filepath.Join(bundle, "sparkwheel.lock"), "--progress", "none"}
	offline := append([]string{"-n", "strace", "-f", "-qq", "-e", "trace=connect", "-o", filepath.Join(w.dir, "connects"), w.program, "build", "--offline", "-o", filepath.Join(w.dir, "offline")}, args...)
	if got := w.command("", "unshare", offline...).mustRun(); got != want {
		t.Errorf("offline from the bundle the digest is %s, online %s", got, want)
	}
	connects, err := os.ReadFile(filepath.Join(w.dir, "connects"))
	w.must(err)
	if bytes.Contains(connects, []byte("AF_INET")) {
		t.Errorf("the offline build tried to connect:\n%s", connects)
	}
	w.nothingToDo(args, want)
}

// nothingToDo checks that a build that has everything in the store opens no
// network socket at all and that the plan says so.
func (w *workshop) nothingToDo(args []string, want string) {
	w.t.Helper()
	log := filepath.Join(w.dir, "sockets")
	again := append([]string{"-f", "-qq", "-e", "trace=socket", "-o", log, w.program, "build", "--offline", "-o", filepath.Join(w.dir, "offline")}, args...)
	if got := w.command("", "strace", again...).mustRun(); got != want {
		w.t.Errorf("built again, the digest is %s, want %s", got, want)
	}
	sockets, err := os.ReadFile(log)
	w.must(err)
	if bytes.Contains(sockets, []byte("AF_INET")) {
		w.t.Errorf("--offline opened a network socket:\n%s", sockets)
	}
	plan := w.command("", w.program, append([]string{"plan"}, args...)...).mustRun()
	if plan != "nothing to do: every stage is cached" {
		w.t.Errorf("plan after a build says %q", plan)
	}
}

// wheelsAreRight looks at what the build left for the user.
func (w *workshop) wheelsAreRight(out string) {
	w.t.Helper()
	var names []string
	entries, err := os.ReadDir(filepath.Join(out, "wheels"))
	w.must(err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{".alpha-commit", "alpha-1.4-py3-none-any.whl", "beta-2.0-py3-none-any.whl"}, names); diff != "" {
		w.t.Errorf("wheels (-want +got):\n%s", diff)
	}
	var record struct {
		Sources []struct {
			Commit  string
			Changes []struct{ Before, After string }
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "build.json"))
	w.must(err)
	w.must(json.Unmarshal(text, &record))
	want := []struct{ Before, After string }{{"torch==2.10.0", "torch==2.11.0"}, {"triton", ""}, {"flashinfer-python==0.6.11", ""}}
	if diff := cmp.Diff(want, record.Sources[0].Changes); diff != "" {
		w.t.Errorf("changes (-want +got):\n%s", diff)
	}
	marker, err := os.ReadFile(filepath.Join(out, "wheels/.alpha-commit"))
	w.must(err)
	if string(marker) != record.Sources[0].Commit+"\n" || len(marker) != 41 {
		w.t.Errorf(".alpha-commit holds %q, build.json %q", marker, record.Sources[0].Commit)
	}
}

func TestE2EPlanNamesWhatChanged(t *testing.T) {
	w := openWorkshop(t)
	w.sparkwheel("", "root", "build", "--base", "tar:"+w.base).mustRun()
	w.write("recipe.toml", strings.Replace(workshopRecipe, `drop = ["triton",`, `drop = ["triton", "triton-kernels",`, 1))
	lock := []string{"--lock", "../recipe.lock", "--base", "tar:" + w.base}
	w.sparkwheel("", "root", "plan", "--lock", "../recipe.lock").wantCode(4, "recipe recipe has changed since it was locked")
	w.sparkwheel("", "root", "lock", lock...).mustRun()
	// Locking prepares the tree, so that what runs upstream code is left, and what is made of that.
	got := w.sparkwheel("", "root", "plan", "--lock", "../recipe.lock", "--json").mustRun()
	var doc struct {
		Stages []struct {
			Name, Reason string
			Hit          bool
		}
	}
	w.must(json.Unmarshal([]byte(got), &doc))
	var missing []string
	for _, s := range doc.Stages {
		if !s.Hit {
			missing = append(missing, s.Name)
		}
	}
	if diff := cmp.Diff([]string{"wheel alpha", "layer alpha", "image"}, missing); diff != "" {
		t.Errorf("stages to do (-want +got):\n%s\n%s", diff, got)
	}
	i := slices.IndexFunc(doc.Stages, func(s struct {
		Name, Reason string
		Hit          bool
	}) bool {
		return s.Name == "wheel alpha"
	})
	if !strings.Contains(doc.Stages[i].Reason, "tree was ") {
		t.Errorf("the reason is %q, it does not name the tree", doc.Stages[i].Reason)
	}
}

func TestE2EFailuresLoseNothing(t *testing.T) {
	w := openWorkshop(t)
	base := "tar:" + w.base

	w.sparkwheel("", "root", "build", "--base", base, "--ref", "alpha=v9").wantCode(2, "v9", "v1.4")
	w.sparkwheel("", "root", "build", "--base", "127.0.0.1:1/none:latest").wantCode(5, "127.0.0.1:1/none")
	w.sparkwheel("", "root", "build", "--base", "tar:"+w.base+"x").wantCode(1, w.base+"x")

	w.write("recipe.toml", strings.Replace(workshopRecipe, `environment = { ALPHA_VERSION = "{version}" }`, "", 1))
	w.sparkwheel("", "root", "build", "--base", base).wantCode(1, "building wheel alpha", "KeyError: 'ALPHA_VERSION'", "/store/logs/", "/wheel-alpha.log", "its last lines:")
	w.noLeftovers("root")

	w.write("recipe.toml", workshopRecipe)
	w.sparkwheel("", "root", "lock", "--base", base, "--lock", "../recipe.lock").mustRun()
	w.sparkwheel("", "root", "build", "--push", "127.0.0.1:1/none:latest").wantCode(5, "127.0.0.1:1/none")
	digest := w.sparkwheel("", "root", "build").mustRun()
	if !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("after all these failures build printed %q", digest)
	}
	w.sparkwheel("", "root", "build", "--ref", "alpha=main").wantCode(4, "sparkwheel lock", "--ref alpha=main")
}

// noLeftovers checks that nothing half made is at a final place.
func (w *workshop) noLeftovers(place string) {
	w.t.Helper()
	for _, p := range []string{"out/wheels", "out/image", "out/build.json"} {
		if _, err := os.Lstat(filepath.Join(w.dir, place, p)); err == nil {
			w.t.Errorf("%s is there after a failure", p)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	w.must(err)
	if bytes.Contains(mounts, []byte(w.dir)) {
		w.t.Errorf("a mount is left:\n%s", mounts)
	}
}

func TestE2EInterruptStopsEverything(t *testing.T) {
	w := openWorkshop(t)
	w.write("git/org/beta.git/setup.py", "import time\nprint('beta sleeps', flush=True)\ntime.sleep(600)\n")
	dir := filepath.Join(w.dir, "git/org/beta.git")
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", "slow"}} {
		c := w.command("", "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		c.mustRun()
	}
	c := w.sparkwheel("", "root", "build", "--base", "tar:"+w.base, "-v")
	lines := &watcher{want: "beta sleeps", seen: make(chan struct{})}
	c.Stderr = lines
	w.must(c.Start())
	select {
	case <-lines.seen:
	case <-time.After(5 * time.Minute):
		t.Fatal("the build never got to beta")
	}
	began := time.Now()
	w.must(c.Process.Signal(syscall.SIGINT))
	err := c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 {
		t.Errorf("interrupted, it ended with %d (%v)", code, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	w.noLeftovers("root")
	left, _ := exec.Command("pgrep", "-f", "/build/src").Output()
	if len(left) > 0 {
		t.Errorf("processes are left: %s", left)
	}
	for _, args := range [][]string{{"rm", "-q", "setup.py"}, {"commit", "-q", "-m", "fast"}} {
		w.command("", "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...).mustRun()
	}
	w.sparkwheel("", "root", "lock", "--lock", "../recipe.lock", "--upgrade=beta", "--base", "tar:"+w.base).mustRun()
	w.sparkwheel("", "root", "build").mustRun()
}

// watcher closes seen when want has been written.
type watcher struct {
	want string
	text bytes.Buffer
	once sync.Once
	seen chan struct{}
}

func (w *watcher) Write(p []byte) (int, error) {
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.want) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func TestE2EFullDisk(t *testing.T) {
	w := openWorkshop(t)
	store := filepath.Join(w.dir, "root/store")
	w.must(os.MkdirAll(store, 0o755))
	w.command("", "mount", "-t", "tmpfs", "-o", "size=120m", "none", store).mustRun()
	t.Cleanup(func() { exec.Command("umount", store).Run() })
	w.sparkwheel("", "root", "build", "--base", "tar:"+w.base).wantCode(codeDisk, "full", store)
	for _, p := range []string{"out/wheels", "out/image"} {
		if _, err := os.Lstat(filepath.Join(w.dir, "root", p)); err == nil {
			t.Errorf("%s is there after a failure", p)
		}
	}
	w.command("", "mount", "-o", "remount,size=2g", store).mustRun()
	w.sparkwheel("", "root", "build", "--base", "tar:"+w.base).mustRun()
}
