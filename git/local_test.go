package git_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// isLocalError reports whether an error is of a file URL that nothing allows.
func isLocalError(err error) bool {
	scheme, ok := errors.AsType[*git.SchemeError](err)
	return ok && scheme.Scheme == "file"
}

// sh runs a line of shell in the repository and returns what it prints.
func (r *repo) sh(line string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "/bin/sh", "-c", line)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

// checkout is a repository with a file of every kind that a work tree can have.
func (w *world) checkout() (*repo, string) {
	w.t.Helper()
	r := w.repo("up")
	r.write(".gitignore", "*.o\nbuild/\n")
	r.write(".gitattributes", "*.txt text eol=crlf\n")
	r.write("same.py", "same")
	r.write("changed.py", "before")
	r.write("gone.py", "gone")
	r.write("run.sh", "#!/bin/sh\n")
	r.write("text.txt", "a\n")
	head := r.commit("one")
	r.git("tag", "v1.0")
	return r, head
}

// tree lists what a checkout wrote: mode, path and content.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		all = append(all, fmt.Sprintf("%v %s %q", info.Mode(), strings.TrimPrefix(name, dir+"/"), text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A work tree is taken as it is now: what is tracked, deleted and not ignored,
// by the attributes that hold there. The checkout is left alone, and the same
// content is the same commit.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Local = w.root
	r, head := w.checkout()
	const url = "./up"
	clean, err := w.m.Snapshot(t.Context(), url, t.Output())
	if err != nil || clean.Dirty() || clean.Commit.Hash != head {
		t.Fatalf("%+v, %v", clean, err)
	}
	r.write("changed.py", "after")
	r.write("new/file.py", "new")
	r.write("ignored.o", "ignored")
	r.write("build/x", "ignored")
	r.write("text.txt", "b\r\n")
	r.write("staged.py", "staged")
	r.git("add", "staged.py")
	r.sh("rm gone.py; chmod +x run.sh; ln -s run.sh link")
	before := r.sh("git status --porcelain; find .git -type f | sort | xargs sha256sum")
	first, err := w.m.Snapshot(t.Context(), url, t.Output())
	if err != nil || !first.Dirty() || first.Head.Hash != head || !first.Commit.Time.Equal(first.Head.Time) {
		t.Fatalf("%+v, %v", first, err)
	}
	if diff := cmp.Diff(before, r.sh("git status --porcelain; find .git -type f | sort | xargs sha256sum")); diff != "" {
		t.Errorf("the checkout was changed:\n%s", diff)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if _, err := w.m.Checkout(t.Context(), url, first.Commit, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`-rw-r--r-- .gitattributes "*.txt text eol=crlf\n"`,
		`-rw-r--r-- .gitignore "*.o\nbuild/\n"`,
		`-rw-r--r-- changed.py "after"`,
		`Lrwxrwxrwx link "#!/bin/sh\n"`,
		`-rw-r--r-- new/file.py "new"`,
		`-rwxr-xr-x run.sh "#!/bin/sh\n"`,
		`-rw-r--r-- same.py "same"`,
		`-rw-r--r-- staged.py "staged"`,
		`-rw-r--r-- text.txt "b\n"`,
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	again := &git.Mirrors{Dir: t.TempDir(), Local: w.root, Git: runGit}
	second, err := again.Snapshot(t.Context(), url, t.Output())
	if diff := cmp.Diff(first, second); diff != "" || err != nil {
		t.Error(err, diff)
	}
	// The store has it, whatever becomes of the checkout.
	r.write("changed.py", "later")
	w.m.Offline = true
	if _, err := w.m.Checkout(t.Context(), url, first.Commit, dir+"2", git.CheckoutOptions{}, t.Output()); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(w.m.Dir, "*.snapshot")); len(left) > 0 || err != nil {
		t.Error(left, err)
	}
}

// A branch or HEAD of a checkout stands for what is seen there; a SHA and
// another branch do not.
func TestCheckClean(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Local = w.root
	r, head := w.checkout()
	c := git.Commit{Hash: head}
	r.write("new/file.py", "new")
	r.write("ignored.o", "ignored")
	untracked, err := w.m.CheckClean(t.Context(), git.Source{URL: "./up", Ref: "main"}, c)
	if diff := cmp.Diff([]string{"new/"}, untracked); diff != "" || err != nil {
		t.Error(err, diff)
	}
	r.write("changed.py", "after")
	r.git("mv", "same.py", "moved.py")
	_, err = w.m.CheckClean(t.Context(), git.Source{URL: "./up", Ref: "main"}, c)
	dirty, ok := errors.AsType[*git.DirtyError](err)
	if !ok || cmp.Diff([]string{"changed.py", "moved.py", "same.py"}, dirty.Changed) != "" || dirty.Dir != r.dir {
		t.Error(err)
	}
	if _, err := w.m.CheckClean(t.Context(), git.Source{URL: "./up", Ref: head}, c); err != nil {
		t.Error(err)
	}
	if _, err := w.m.CheckClean(t.Context(), git.Source{URL: r.url, Ref: "main"}, c); err != nil {
		t.Error(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.git")
	r.git("clone", "-q", "--bare", r.dir, bare)
	if untracked, err := w.m.CheckClean(t.Context(), git.Source{URL: bare, Ref: "main"}, c); err != nil || untracked != nil {
		t.Error(untracked, err)
	}
}

// What a snapshot cannot hold is refused: a merge that is not finished, and
// changes in a submodule, whose commit alone is taken.
func TestSnapshotRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Local = w.root
	r, _ := w.checkout()
	url := "file://" + r.dir
	r.git("checkout", "-q", "-b", "other")
	r.write("changed.py", "theirs")
	r.commit("theirs")
	r.git("checkout", "-q", "main")
	r.write("changed.py", "ours")
	r.commit("ours")
	r.sh("git -c user.name=a -c user.email=a@example.com merge other || true")
	if _, err := w.m.Snapshot(t.Context(), url, t.Output()); err == nil || !strings.Contains(err.Error(), "a merge is in progress") {
		t.Error(err)
	}
	r.git("reset", "-q", "--hard")
	leaf := w.repo("leaf")
	leaf.write("f", "1")
	leaf.commit("leaf")
	r.sh("git -c protocol.file.allow=always submodule -q add " + leaf.dir + " sub")
	r.commit("with a submodule")
	r.sh("echo untracked >sub/u")
	if s, err := w.m.Snapshot(t.Context(), url, t.Output()); err != nil || s.Dirty() {
		t.Error(s, err)
	}
	r.sh("echo changed >sub/f")
	_, err := w.m.Snapshot(t.Context(), url, t.Output())
	if dirty, ok := errors.AsType[*git.DirtyError](err); !ok || !dirty.Submodule || !strings.HasSuffix(dirty.Dir, "/sub") {
		t.Error(err)
	}
	// A tree names no file of this host, not even that of a checkout on it.
	c := git.Commit{Hash: r.git("rev-parse", "HEAD")}
	_, err = w.m.Checkout(t.Context(), url, c, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{Submodules: []string{"*"}}, t.Output())
	if !isLocalError(err) {
		t.Error(err)
	}
}

// The submodules of a checkout are relative to where it was cloned from.
func TestSubmodulesOfACheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Local = w.root
	leaf := w.repo("leaf")
	leaf.write("f", "leaf")
	commit := leaf.commit("leaf")
	up := w.repo("up")
	up.submodule("sub", "../leaf", commit)
	head := up.commitIndex("one")
	clone := filepath.Join(t.TempDir(), "clone")
	up.git("clone", "-q", up.url, clone)
	dir := filepath.Join(t.TempDir(), "tree")
	opt := git.CheckoutOptions{Submodules: []string{"*"}, Verify: true}
	if _, err := w.m.Checkout(t.Context(), "file://"+clone, git.Commit{Hash: head}, dir, opt, t.Output()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sub", "f")); err != nil || string(text) != "leaf" {
		t.Errorf("%q, %v", text, err)
	}
}

// A program that fails is the error, and one that says nothing is ended.
func TestPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := git.Source{URL: "git@forge.example:org/up", Ref: "main"}
	if _, err := w.m.Resolve(t.Context(), src); err == nil || !strings.Contains(err.Error(), "no program for ssh URLs") {
		t.Error(err)
	}
	broken := errors.New("connecting to forge.example: permission denied")
	w.m.SSH = func(context.Context, string, []string, io.Reader, io.Writer) error { return broken }
	if _, err := w.m.Resolve(t.Context(), src); !errors.Is(err, broken) {
		t.Error(err)
	}
	w.m.Idle = 1
	w.m.SSH = func(ctx context.Context, _ string, _ []string, _ io.Reader, _ io.Writer) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if _, err := w.m.Resolve(t.Context(), src); err == nil || !strings.Contains(err.Error(), "sent nothing for 1ns") {
		t.Error(err)
	}
}
