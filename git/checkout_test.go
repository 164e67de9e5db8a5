package git_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// entry is what one path of a tree is on disk.
type entry struct {
	Mode fs.FileMode
	Time time.Time
	Text string
}

func readTree(t testing.TB, dir string) map[string]entry {
	t.Helper()
	got := make(map[string]entry)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{Mode: info.Mode(), Time: info.ModTime().UTC()}
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			e.Text = string(text)
		case info.Mode().Type() == fs.ModeSymlink:
			e.Mode = fs.ModeSymlink
			if e.Text, err = os.Readlink(path); err != nil {
				return err
			}
		}
		rel, err := filepath.Rel(dir, path)
		got[rel] = e
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// archive is what `git archive` makes of a commit, which its time stamps.
func archive(t testing.TB, r *repo, commit string) map[string]entry {
	t.Helper()
	dir := t.TempDir()
	r.git("-c", "tar.umask=022", "archive", "-o", filepath.Join(dir, "a.tar"), commit)
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "tar", "-xf", filepath.Join(dir, "a.tar"), "-C", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	got := readTree(t, out)
	delete(got, ".")
	return got
}

func TestCheckoutIsGitArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("README", "hello\r\n")
	r.write("bin/run", "#!/bin/sh\n")
	r.write("a/b/c/deep", "")
	r.write("ü/ñ", "unicode")
	if err := os.Chmod(filepath.Join(r.dir, "bin/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../bin/run", filepath.Join(r.dir, "a", "link")); err != nil {
		t.Fatal(err)
	}
	commit := r.commit("one")
	c, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: "main"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	tree, err := w.m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true, GitDir: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	head, err := exec.CommandContext(t.Context(), "git", "-C", dir, "-c", "safe.directory=*", "rev-parse", "HEAD").CombinedOutput()
	if got := string(head); err != nil || got != commit+"\n" {
		t.Errorf("git rev-parse HEAD: %v, %s", err, got)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
		t.Fatal(err)
	}
	got := readTree(t, dir)
	delete(got, ".")
	if diff := cmp.Diff(archive(t, r, commit), got); diff != "" {
		t.Error(diff)
	}
	want := git.Tree{Hash: c.Tree, Files: 5, Bytes: 7 + 10 + 7 + 10, Received: tree.Received}
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Error(diff)
	}
	w.take()
	if _, err := w.m.Checkout(t.Context(), r.url, c, dir+"2", git.CheckoutOptions{}, t.Output()); err != nil {
		t.Error(err)
	}
	if asked := w.take(); asked != nil {
		t.Errorf("a commit that is there cost %q", asked)
	}
}

func TestCheckoutSubmodules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaf := w.repo("leaf")
	leaf.write("leaf.txt", "leaf")
	leafCommit := leaf.commit("leaf")
	mid := w.repo("mid")
	mid.write("mid.txt", "mid")
	mid.submodule("deps/leaf", leaf.url, leafCommit)
	midCommit := mid.commitIndex("mid")
	// The gitlink, not the tip, is what counts.
	leaf.write("leaf.txt", "newer")
	leaf.commit("newer")
	top := w.repo("top")
	top.write("top.txt", "top")
	top.submodule("3rdparty/mid", "../mid", midCommit)
	top.submodule("3rdparty/unwanted", "../leaf", leafCommit)
	top.commitIndex("top")
	c, err := w.m.Resolve(t.Context(), git.Source{URL: top.url, Ref: "main"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	tree, err := w.m.Checkout(t.Context(), top.url, c, dir, git.CheckoutOptions{Submodules: []string{"3rdparty/mid"}, Verify: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	want := []git.Submodule{
		{Path: "3rdparty/mid", URL: mid.url, Commit: midCommit},
		{Path: "3rdparty/mid/deps/leaf", URL: leaf.url, Commit: leafCommit},
	}
	if diff := cmp.Diff(want, tree.Submodules); diff != "" {
		t.Error(diff)
	}
	texts := make(map[string]string)
	for path, e := range readTree(t, dir) {
		if e.Mode.IsRegular() && filepath.Base(path) != ".gitmodules" {
			texts[path] = e.Text
		}
		if !e.Time.Equal(c.Time) {
			t.Errorf("%s has the time %s", path, e.Time)
		}
	}
	wantTexts := map[string]string{
		"top.txt": "top", "3rdparty/mid/mid.txt": "mid", "3rdparty/mid/deps/leaf/leaf.txt": "leaf",
	}
	if diff := cmp.Diff(wantTexts, texts); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(filepath.Join(dir, "3rdparty/unwanted")); err != nil || !info.IsDir() {
		t.Errorf("the submodule that was not asked for: %v, %v", info, err)
	}
}

// A submodule may be taken from elsewhere, at another commit.
func TestCheckoutReplacesSubmodule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaf := w.repo("leaf")
	leaf.write("leaf.txt", "leaf")
	leafCommit := leaf.commit("leaf")
	fork := w.repo("fork")
	fork.write("leaf.txt", "forked")
	forkCommit := fork.commit("fork")
	top := w.repo("top")
	top.submodule("3rdparty/leaf", "../leaf", leafCommit)
	top.commitIndex("top")
	c, err := w.m.Resolve(t.Context(), git.Source{URL: top.url, Ref: "main"})
	if err != nil {
		t.Fatal(err)
	}
	opt := git.CheckoutOptions{Submodules: []string{"*"}, Replace: map[string]git.Replacement{"3rdparty/leaf": {URL: fork.url, Ref: "main", Commit: forkCommit}}}
	dir := filepath.Join(t.TempDir(), "tree")
	tree, err := w.m.Checkout(t.Context(), top.url, c, dir, opt, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]git.Submodule{{Path: "3rdparty/leaf", URL: fork.url, Commit: forkCommit}}, tree.Submodules); diff != "" {
		t.Error(diff)
	}
	if got := readTree(t, dir)["3rdparty/leaf/leaf.txt"].Text; got != "forked" {
		t.Errorf("the submodule has %q", got)
	}
	opt.Replace = map[string]git.Replacement{"3rdparty/other": {URL: fork.url}}
	_, err = w.m.Checkout(t.Context(), top.url, c, filepath.Join(t.TempDir(), "tree"), opt, t.Output())
	if want := "3rdparty/other is not a submodule that is written; those are 3rdparty/leaf"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("replacing what is no submodule gave %v, want %q", err, want)
	}
}
