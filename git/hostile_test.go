package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/git"
)

// mktree writes a tree object as it is given, and a commit of it.
func (r *repo) mktree(raw string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin")
	cmd.Dir = r.dir
	cmd.Stdin = strings.NewReader(raw)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	commit := r.git("commit-tree", "-m", "hostile", strings.TrimSpace(string(out)))
	r.git("update-ref", "refs/heads/main", commit)
	return commit
}

func rawHash(r *repo, rev string) string {
	hash := r.git("rev-parse", rev)
	var raw strings.Builder
	for i := 0; i < len(hash); i += 2 {
		var b byte
		for _, c := range []byte(hash[i : i+2]) {
			b = b<<4 | byte(strings.IndexByte("0123456789abcdef", c))
		}
		raw.WriteByte(b)
	}
	return raw.String()
}

func TestCheckoutRefusesHostileTrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tree := range map[string]func(r *repo) string{
		"dotdot": func(r *repo) string { return r.mktree("40000 ..\x00" + rawHash(r, "HEAD^{tree}")) },
		"git":    func(r *repo) string { return r.mktree("40000 .gIT\x00" + rawHash(r, "HEAD^{tree}")) },
		"hfs":    func(r *repo) string { return r.mktree("40000 .g\u200cit\x00" + rawHash(r, "HEAD^{tree}")) },
		"twice": func(r *repo) string {
			link := "120000 a\x00" + rawHash(r, "HEAD:a")
			return r.mktree(link + "40000 a\x00" + rawHash(r, "HEAD^{tree}"))
		},
		"below": func(r *repo) string {
			inner := r.mktree("100644 .git\x00" + rawHash(r, "HEAD:a"))
			return r.mktree("40000 deep\x00" + rawHash(r, inner+"^{tree}"))
		},
	} {
		r := w.repo(name)
		r.write("a", "../../outside")
		r.commit("one")
		commit := tree(r)
		parent := t.TempDir()
		dir := filepath.Join(parent, "tree")
		_, err := w.m.Checkout(t.Context(), r.url, git.Commit{Hash: commit}, dir, git.CheckoutOptions{}, t.Output())
		if err == nil || !strings.Contains(err.Error(), "refusing the tree") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

func TestCheckoutRefusesHostileSubmodules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaf := w.repo("leaf")
	commit := leaf.commit("leaf")
	for name, modules := range map[string]string{
		"dashurl":    "[submodule \"s\"]\n\tpath = sub\n\turl = -u./payload\n",
		"ext":        "[submodule \"s\"]\n\tpath = sub\n\turl = ext::sh -c id\n",
		"file":       "[submodule \"s\"]\n\tpath = sub\n\turl = file://" + leaf.dir + "\n",
		"local":      "[submodule \"s\"]\n\tpath = sub\n\turl = " + leaf.dir + "\n",
		"relative":   "[submodule \"s\"]\n\tpath = sub\n\turl = ../../../../etc\n",
		"dashpath":   "[submodule \"s\"]\n\tpath = -sub\n\turl = " + leaf.url + "\n",
		"outside":    "[submodule \"s\"]\n\tpath = ../sub\n\turl = " + leaf.url + "\n",
		"dotdotname": "[submodule \"../../s\"]\n\tpath = sub\n\turl = " + leaf.url + "\n",
		"nourl":      "[submodule \"s\"]\n\tpath = other\n\turl = " + leaf.url + "\n",
		"broken":     "[submodule \"s\n",
	} {
		r := w.repo(name)
		r.submodule("sub", leaf.url, commit)
		r.write(".gitmodules", modules)
		r.git("add", ".gitmodules")
		c := git.Commit{Hash: r.commitIndex("hostile")}
		parent := t.TempDir()
		_, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(parent, "tree"), git.CheckoutOptions{Submodules: []string{"*"}}, t.Output())
		if err == nil {
			t.Errorf("%s: checked out", name)
		}
		if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
		// Nobody asked for the submodule: its lines are text like any other.
		if _, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(parent, "tree"), git.CheckoutOptions{}, t.Output()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A submodule path that some tree has as a plain directory is taken as it is;
// one that is not there at all is an error that lists what is.
func TestCheckoutSubmodulePaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaf := w.repo("leaf")
	commit := leaf.commit("leaf")
	r := w.repo("up")
	r.write("3rdparty/spdlog/spdlog.h", "x")
	r.submodule("3rdparty/cutlass", "../leaf", commit)
	c := git.Commit{Hash: r.commitIndex("one")}
	dir := filepath.Join(t.TempDir(), "tree")
	opt := git.CheckoutOptions{Submodules: []string{"3rdparty/spdlog", "3rdparty/cutlass/"}}
	if _, err := w.m.Checkout(t.Context(), r.url, c, dir, opt, t.Output()); err != nil {
		t.Error(err)
	}
	opt = git.CheckoutOptions{Submodules: []string{"3rdparty/nccl"}}
	_, err := w.m.Checkout(t.Context(), r.url, c, dir+"2", opt, t.Output())
	if err == nil || !strings.Contains(err.Error(), "not have the submodule 3rdparty/nccl; it has 3rdparty/cutlass") {
		t.Error(err)
	}
}
