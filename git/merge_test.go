package git_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git"
)

// mergeTree is what git itself merges two commits to; ok is false for a conflict.
func (r *repo) mergeTree(ours, theirs string) (tree string, ok bool) {
	r.t.Helper()
	// The option -X no-renames is newer than this configuration of the same.
	cmd := exec.CommandContext(r.t.Context(), "git", "-c", "merge.renames=false", "merge-tree", "--write-tree", ours, theirs)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if failed && exit.ExitCode() != 1 || err != nil && !failed {
		r.t.Skipf("git merge-tree: %v", err)
	}
	tree, _, _ = strings.Cut(string(out), "\n")
	return tree, err == nil
}

// branch makes a commit on from by change.
func (r *repo) branch(name, from string, change func()) string {
	r.t.Helper()
	r.git("checkout", "-q", "-f", "-B", name, from)
	change()
	return r.commit(name)
}

func (r *repo) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

func merge(t *testing.T, w *world, r *repo, ours, theirs string) (git.Commit, error) {
	t.Helper()
	r.git("update-ref", "refs/pull/7/head", theirs)
	base, err := w.m.MergeBase(t.Context(), r.url, ours, theirs, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if want := r.git("merge-base", ours, theirs); base != want {
		t.Errorf("the merge base is %s, git says %s", base, want)
	}
	c, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: ours})
	if err != nil {
		t.Fatal(err)
	}
	return w.m.Merge(t.Context(), r.url, c, git.Pull{Number: 7, Head: theirs, Base: base}, io.Discard)
}

const tenLines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"

// Each kind of change merges, or does not, as git has it.
func TestMergeBesideGit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ours, theirs func(r *repo)
		conflict     string // of the error; "" merges
	}{
		"apart": {func(r *repo) { r.write("f", strings.Replace(tenLines, "2\n", "two\n", 1)) }, func(r *repo) {
			r.write("f", strings.Replace(tenLines, "9\n", "nine\nand\n", 1))
			r.write("new/g", "g")
			r.remove("d/old")
		}, ""},
		"the same": {func(r *repo) { r.write("f", "x\n"+tenLines) }, func(r *repo) { r.write("f", "x\n"+tenLines) }, ""},
		"touching": {func(r *repo) { r.write("f", strings.Replace(tenLines, "5\n", "five\n", 1)) },
			func(r *repo) { r.write("f", strings.Replace(tenLines, "6\n", "six\n", 1)) }, "f, line 5: both sides change these lines"},
		"a mode":      {func(r *repo) { r.write("f", "x\n"+tenLines) }, func(r *repo) { _ = os.Chmod(filepath.Join(r.dir, "f"), 0o755) }, ""},
		"deleted":     {func(r *repo) { r.remove("f") }, func(r *repo) { r.write("f", "x\n") }, "f: it was deleted"},
		"added twice": {func(r *repo) { r.write("n", "1\n") }, func(r *repo) { r.write("n", "2\n") }, "n: both sides add it"},
		"a directory": {func(r *repo) { r.remove("f"); r.write("f/x", "1\n") }, func(r *repo) { r.write("f", "2\n") }, "f: one side has a directory"},
		"binary":      {func(r *repo) { r.write("b", "\x00a\n1\n2\n3\n") }, func(r *repo) { r.write("b", "\x00\n1\n2\n3\nb") }, "b: both sides change it, and it is binary"},
		"emptied":     {func(r *repo) { r.write("f", "x\n"+tenLines) }, func(r *repo) { r.remove("d") }, ""},
		"no newline":  {func(r *repo) { r.write("f", "x\n"+tenLines) }, func(r *repo) { r.write("f", strings.TrimSuffix(tenLines, "\n")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.repo("up")
			r.write("f", tenLines)
			r.write("d/old", "old\n")
			r.write("b", "\x00\n1\n2\n3\n")
			base := r.commit("base")
			ours := r.branch("ours", base, func() { test.ours(r) })
			theirs := r.branch("theirs", base, func() { test.theirs(r) })
			want, clean := r.mergeTree(ours, theirs)
			got, err := merge(t, w, r, ours, theirs)
			if clean != (test.conflict == "") || clean != (err == nil) || clean && got.Tree != want {
				t.Fatalf("git merges to %s (%v); we to %s, %v", want, clean, got.Tree, err)
			}
			if err != nil {
				if _, ok := errors.AsType[*git.MergeError](err); !ok || !strings.Contains(err.Error(), test.conflict) || !strings.Contains(err.Error(), "pull request 7") {
					t.Errorf("a conflict gave %v, want %q", err, test.conflict)
				}
				return
			}
			again, err := merge(t, w, r, ours, theirs)
			if err != nil || cmp.Diff(got, again) != "" {
				t.Errorf("merged again it is %+v, %v; was %+v", again, err, got)
			}
			if got.Tree != r.git("rev-parse", ours+"^{tree}") {
				// What came out is a commit like any other, of the very name that git gives it.
				dir := filepath.Join(t.TempDir(), "tree")
				if tree, err := w.m.Checkout(t.Context(), r.url, got, dir, git.CheckoutOptions{Verify: true}, io.Discard); err != nil || tree.Hash != want {
					t.Errorf("checked out it is %s, %v", tree.Hash, err)
				}
			} else if got.Hash != ours {
				t.Errorf("what is in already gave another commit, %s", got.Hash)
			}
		})
	}
}

// Random changes of both sides: what merges here is what git merges to, and what
// git does not merge is a conflict here too.
func TestMergeRandomBesideGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	rnd := rand.New(rand.NewPCG(3, 4))
	texts := func() [4][]string {
		var all [4][]string
		for i := range all {
			for range 12 + rnd.IntN(20) {
				all[i] = append(all[i], fmt.Sprintf("%d\n", rnd.IntN(60+i*100)))
			}
		}
		return all
	}
	edit := func(lines []string) string {
		lines = append([]string(nil), lines...)
		for range rnd.IntN(3) {
			at := rnd.IntN(len(lines))
			switch rnd.IntN(3) {
			case 0:
				lines[at] = fmt.Sprintf("%d\n", rnd.IntN(90))
			case 1:
				lines = append(lines[:at], lines[at+1:]...)
			default:
				lines = append(lines[:at], append([]string{fmt.Sprintf("%d\n", rnd.IntN(90))}, lines[at:]...)...)
			}
		}
		return strings.Join(lines, "")
	}
	const rounds = 12
	merged, stricter := 0, 0
	for range rounds {
		all := texts()
		files := func(change bool) func() {
			return func() {
				for i, lines := range all {
					text := strings.Join(lines, "")
					if change {
						text = edit(lines)
					}
					r.write(fmt.Sprintf("d%d/f", i), text)
				}
			}
		}
		files(false)()
		base := r.commit("base")
		ours, theirs := r.branch("ours", base, files(true)), r.branch("theirs", base, files(true))
		want, clean := r.mergeTree(ours, theirs)
		got, err := merge(t, w, r, ours, theirs)
		r.git("checkout", "-q", "-f", "main")
		switch {
		case err == nil && (!clean || got.Tree != want):
			t.Errorf("base %s, ours %s, theirs %s: git merges to %s (%v), we to %s", base, ours, theirs, want, clean, got.Tree)
		case err == nil:
			merged++
		case clean:
			stricter++
		}
	}
	t.Logf("%d merged, %d that git would merge did not", merged, stricter)
	if merged < 4 || stricter > merged {
		t.Errorf("only %d merged, and %d that git would merge did not", merged, stricter)
	}
}

// Histories that meet several times, or never, have no one merge base.
func TestMergeBaseIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", "1\n")
	base := r.commit("base")
	a, b := r.branch("a", base, func() { r.write("a", "a") }), r.branch("b", base, func() { r.write("b", "b") })
	tree := r.git("rev-parse", base+"^{tree}")
	x, y := r.git("commit-tree", tree, "-p", a, "-p", b, "-m", "x"), r.git("commit-tree", tree, "-p", b, "-p", a, "-m", "y")
	alone := r.git("commit-tree", tree, "-m", "alone")
	for name, h := range map[string]string{"x": x, "y": y, "alone": alone} {
		r.git("update-ref", "refs/heads/"+name, h)
	}
	for _, test := range []struct {
		a, b string
		want int
	}{{x, y, 2}, {x, alone, 0}} {
		_, err := w.m.MergeBase(t.Context(), r.url, test.a, test.b, io.Discard)
		if bad, ok := errors.AsType[*git.MergeBaseError](err); !ok || len(bad.Bases) != test.want {
			t.Errorf("%v, want %d merge bases", err, test.want)
		}
	}
	if got, err := w.m.MergeBase(t.Context(), r.url, x, a, io.Discard); err != nil || got != a {
		t.Errorf("the merge base of a commit and its ancestor is %s, %v", got, err)
	}
}
