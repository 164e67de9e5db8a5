package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// nested makes a commit of a tree that has each entry so many times at every
// level; the last holds the file.
func (r *repo) nested(levels, width int, file string) string {
	r.t.Helper()
	r.write("leaf", file)
	tree := "100644 blob " + r.git("hash-object", "-w", "leaf")
	for range levels {
		var lines strings.Builder
		for i := range width {
			fmt.Fprintf(&lines, "%s\td%d\n", tree, i)
		}
		r.write("lines", lines.String())
		tree = "040000 tree " + r.sh("git mktree <lines")
	}
	commit := r.git("commit-tree", "-m", "nested", strings.TrimPrefix(tree, "040000 tree "))
	r.git("update-ref", "refs/heads/main", commit)
	return commit
}

// Trees that a few objects make without end are refused before anything of
// them is written, and before they are spread out.
func TestCheckoutRefusesBombs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, what    string
		levels, width int
		file          string
	}{
		{"paths", "paths", 10, 10, "x"},
		{"bytes", "bytes", 5, 10, strings.Repeat("\x00", 1<<20)},
		{"depth", "directories deep", 30, 1, "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.repo("up")
			c := git.Commit{Hash: r.nested(test.levels, test.width, test.file)}
			// The first time it comes, the second it is there.
			for range 2 {
				parent := t.TempDir()
				_, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(parent, "tree"), git.CheckoutOptions{Limits: git.Limits{Depth: 28}}, t.Output())
				limit, ok := errors.AsType[*git.LimitError](err)
				if !ok || limit.What != test.what {
					t.Errorf("%v", err)
				}
				if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
					t.Errorf("left %v, %v", left, err)
				}
			}
		})
	}
}

// A checkout on this host whose HEAD is such a tree is refused before git is
// asked how its work tree differs: git takes 20 GB to answer.
func TestCheckoutsThatAreBombs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.m.Local = w.root
	r := w.repo("up")
	c := git.Commit{Hash: r.nested(6, 10, "x")} // a million: git still answers, late
	_, clean := w.m.CheckClean(t.Context(), git.Source{URL: "./up", Ref: "HEAD"}, c)
	_, snapshot := w.m.Snapshot(t.Context(), "./up", t.Output())
	for _, err := range []error{clean, snapshot} {
		if limit, ok := errors.AsType[*git.LimitError](err); !ok || limit.What != "paths" {
			t.Error(err)
		}
	}
}

// Submodules draw on the same limits: each of these has itself as it was
// before as ten submodules.
func TestCheckoutRefusesSubmoduleBombs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	commit := r.commit("leaf")
	for range 5 {
		r.git("rm", "-rq", "--cached", "--ignore-unmatch", ".")
		if err := os.Remove(filepath.Join(r.dir, ".gitmodules")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for i := range 10 {
			r.submodule(fmt.Sprintf("s%d", i), "../up", commit)
		}
		commit = r.commitIndex("ten")
	}
	parent := t.TempDir()
	opt := git.CheckoutOptions{Submodules: []string{"*"}, Limits: git.Limits{Submodules: 200}}
	_, err := w.m.Checkout(t.Context(), r.url, git.Commit{Hash: commit}, filepath.Join(parent, "tree"), opt, t.Output())
	if limit, ok := errors.AsType[*git.LimitError](err); !ok || limit.What != "submodules" {
		t.Error(err)
	}
	if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

// The files that stand for others which Git LFS keeps are named, whether they
// come with the pack or were there.
func TestCheckoutNamesPointers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
	r.write("model/weights.bin", pointer)
	r.write("also.bin", strings.Replace(pointer, "12345", "12346", 1))
	r.write("docs/lfs.md", "The pointer begins so:\n"+pointer)
	r.write("large", pointer+noise(2000))
	c := git.Commit{Hash: r.commit("one")}
	for range 2 {
		tree, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{Verify: true}, t.Output())
		if diff := cmp.Diff([]string{"also.bin", "model/weights.bin"}, tree.Pointers); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
}
