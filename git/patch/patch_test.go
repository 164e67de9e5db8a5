package patch_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git/patch"
)

// makeTree writes files; a name that ends in * is executable, a text that
// begins with -> a symlink.
func makeTree(t testing.TB, files map[string]string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, text := range files {
		name, exec := strings.CutSuffix(name, "*")
		file := filepath.Join(root.Name(), name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(target, file))
		} else if mode := os.FileMode(0o644); err == nil {
			if exec {
				mode = 0o755
			}
			err = os.WriteFile(file, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// readTree is the inverse of makeTree.
func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(name)
			files[rel] = "->" + target
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&0o100 != 0 {
			rel += "*"
		}
		text, err := os.ReadFile(name)
		files[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func apply(t testing.TB, root *os.Root, text string) error {
	t.Helper()
	p, err := patch.Parse("fix.patch", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p.Apply(root)
}

const numbers = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"

func TestApply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		before       map[string]string
		patch        string
		after        map[string]string
		wantConflict []patch.Conflict
	}{{
		name:   "a change, a mail around it",
		before: map[string]string{"f": numbers},
		patch:  "From: a\nSubject: b\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@ func\n 4\n-5\n+five\n 6\n-- \n2.39\n",
		after:  map[string]string{"f": strings.Replace(numbers, "5", "five", 1)},
	}, {
		name:   "a hunk that has moved",
		before: map[string]string{"f": "0\n0\n0\n" + numbers},
		patch:  "--- a/f\t2026-01-01\n+++ b/f\t2026-01-02\n@@ -4,3 +4,3 @@\n 4\n-5\n+five\n 6\n",
		after:  map[string]string{"f": "0\n0\n0\n" + strings.Replace(numbers, "5", "five", 1)},
	}, {
		name:   "files that diff -N adds and removes, the epoch in two zones",
		before: map[string]string{"gone": "1\n", "f": "1\n"},
		patch: "diff -ruN a/gone b/gone\n--- a/gone\t2026-01-01 00:00:00.000000000 +0000\n+++ b/gone\t1970-01-01 01:00:00.000000000 +0100\n@@ -1 +0,0 @@\n-1\n" +
			"diff -ruN a/new b/new\n--- a/new\t1969-12-31 19:00:00.000000000 -0500\n+++ b/new\t2026-01-01 00:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+2\n",
		after: map[string]string{"f": "1\n", "new": "2\n"},
	}, {
		name:   "names with a space and other letters, quoted, a tab behind them",
		before: map[string]string{"a ü": "1\n"},
		patch:  "diff --git \"a/a \\303\\274\" \"b/a \\303\\274\"\n--- \"a/a \\303\\274\"\t\n+++ \"b/a \\303\\274\"\t\n@@ -1 +1 @@\n-1\n+2\n",
		after:  map[string]string{"a ü": "2\n"},
	}, {
		name:   "a mail whose text looks like a file's names",
		before: map[string]string{"f": "1\n"},
		patch:  "Subject: x\n\n--- a/not\n+++ b/neither\n---\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n",
		after:  map[string]string{"f": "2\n"},
	}, {
		name:   "a patch whose own lines end in CRLF",
		before: map[string]string{"f": "1\r\n"},
		patch:  "diff --git a/f b/f\r\n--- a/f\r\n+++ b/f\r\n@@ -1 +1 @@\r\n-1\r\n+2\r\ndiff --git a/n b/n\r\nnew file mode 100644\r\n--- /dev/null\r\n+++ b/n\r\n@@ -0,0 +1 @@\r\n+n\r\n",
		after:  map[string]string{"f": "2\r\n", "n": "n\r\n"},
	}, {
		name:   "no newline at the end, before and after",
		before: map[string]string{"f": "1\n2"},
		patch:  "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+two\n\\ No newline at end of file\n",
		after:  map[string]string{"f": "1\ntwo"},
	}, {
		name:   "added in a new directory, executable, beside a link",
		before: map[string]string{"f": "x\n"},
		patch: "diff --git a/d/e/run b/d/e/run\nnew file mode 100755\n--- /dev/null\n+++ b/d/e/run\n@@ -0,0 +1 @@\n+#!/bin/sh\n" +
			"diff --git a/d/link b/d/link\nnew file mode 120000\n--- /dev/null\n+++ b/d/link\n@@ -0,0 +1 @@\n+e/run\n\\ No newline at end of file\n",
		after: map[string]string{"f": "x\n", "d/e/run*": "#!/bin/sh\n", "d/link": "->e/run"},
	}, {
		name:   "deleted, and its directory with it",
		before: map[string]string{"f": "x\n", "d/e/g": "y\n"},
		patch:  "diff --git a/d/e/g b/d/e/g\ndeleted file mode 100644\n--- a/d/e/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n",
		after:  map[string]string{"f": "x\n"},
	}, {
		name:   "renamed with a change, a mode, an empty file, a copy",
		before: map[string]string{"old": numbers, "m": "m\n", "c": "c\n"},
		patch: "diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\n--- a/old\n+++ b/new\n@@ -8,3 +8,3 @@\n 8\n 9\n-10\n+ten\n" +
			"diff --git a/m b/m\nold mode 100644\nnew mode 100755\n" +
			"diff --git a/empty b/empty\nnew file mode 100644\nindex 0..0\n" +
			"diff --git a/c b/c2\nsimilarity index 100%\ncopy from c\ncopy to c2\n",
		after: map[string]string{"new": strings.Replace(numbers, "10", "ten", 1), "m*": "m\n", "empty": "", "c": "c\n", "c2": "c\n"},
	}, {
		name:   "a quoted name",
		before: map[string]string{"ü b": "x\n"},
		patch:  "diff --git \"a/\\303\\274 b\" \"b/\\303\\274 b\"\n--- \"a/\\303\\274 b\"\n+++ \"b/\\303\\274 b\"\n@@ -1 +1 @@\n-x\n+y\n",
		after:  map[string]string{"ü b": "y\n"},
	}, {
		name:   "CRLF is text like any other",
		before: map[string]string{"f": "1\r\n2\r\n"},
		patch:  "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n 1\r\n-2\r\n+3\r\n",
		after:  map[string]string{"f": "1\r\n3\r\n"},
	}, {
		name:   "all or nothing, each place told",
		before: map[string]string{"f": numbers, "g": "y\n", "h": "h\n", "there": ""},
		patch: "--- a/h\n+++ b/h\n@@ -1 +1 @@\n-h\n+H\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+one\n 2\n@@ -4,3 +4,3 @@\n 4\n-five\n+5\n 6\n" +
			"@@ -7,2 +7,2 @@\n 7\n-VIII\n+8.0\n--- a/gone\n+++ b/gone\n@@ -1 +1 @@\n-x\n+y\n--- /dev/null\n+++ b/there\n@@ -0,0 +1 @@\n+new\n",
		wantConflict: []patch.Conflict{
			{File: "f", Hunk: 2, Line: 12, Applied: true, Reason: "already applied"},
			{File: "f", Hunk: 3, Line: 17, Reason: "these 2 lines are not in the file"},
			{File: "gone", Line: 21, Reason: "the file gone does not exist"},
			{File: "there", Line: 26, Reason: "it already exists, but the patch adds it"},
		},
	}, {
		name:   "fuzz 0: one word of context differs",
		before: map[string]string{"f": numbers},
		patch:  "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n four\n-5\n+five\n 6\n",
		wantConflict: []patch.Conflict{
			{File: "f", Hunk: 1, Line: 3, Reason: "these 3 lines are not in the file"},
		},
	}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := makeTree(t, test.before)
			stamp := time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC)
			if err := os.Chtimes(root.Name(), stamp, stamp); err != nil {
				t.Fatal(err)
			}
			err := apply(t, root, test.patch)
			want := test.after
			if test.wantConflict != nil {
				got, ok := errors.AsType[*patch.ConflictError](err)
				if !ok {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.wantConflict, got.Conflicts); diff != "" {
					t.Error(diff)
				}
				want = test.before
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, readTree(t, root.Name())); diff != "" {
				t.Error(diff)
			}
			if info, err := root.Stat("."); err != nil || !info.ModTime().Equal(stamp) {
				t.Errorf("the root's time became %v, %v", info, err)
			}
			if err != nil {
				return
			}
			if _, ok := errors.AsType[*patch.AppliedError](apply(t, root, test.patch)); !ok && !strings.Contains(test.patch, "copy from") {
				t.Error("a second time, it is not told to be applied already")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const change = "@@ -1 +1 @@\n-x\n+y\n"
	for text, want := range map[string]string{
		"":                                    "fix.patch:1: it has no changes",
		"hello\n":                             "fix.patch:1: it has no changes",
		"--- a/f\n+++ b/f\n":                  "fix.patch:2: no hunk follows",
		change:                                "fix.patch:1: a hunk comes before the names",
		"--- a/../f\n+++ b/../f\n" + change:   `fix.patch:1: the name "../f" leaves the tree`,
		"--- a//f\n+++ b//f\n" + change:       `fix.patch:1: the name "/f" leaves the tree`,
		"--- a/.Git/f\n+++ b/f\n" + change:    `fix.patch:1: the name ".Git/f" leads into a repository`,
		"--- f\n+++ f\n" + change:             `fix.patch:1: the name "f" has no leading a/ or b/`,
		"--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-x": "fix.patch:4: the hunk is truncated",
		"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n-y\n+z\n":                                        "fix.patch:5: the hunk is longer than it says",
		"diff --git a/f b/f\nindex 1..2\nGIT binary patch\nliteral 3\n":                      "fix.patch:3: binary changes cannot be applied",
		"diff --git a/f b/f\nindex 1..2\nBinary files a/f and b/f differ\n":                  "fix.patch:3: binary changes cannot be applied",
		"diff --git a/f b/f\nindex 1..2 160000\nold mode 160000\nnew mode 100644\n" + change: "fix.patch:3: a patch cannot change a submodule",
		"diff --git a/f b/f\nrename from f\nrename to ../../etc/passwd\n":                    `fix.patch:3: the name "../../etc/passwd" leaves the tree`,
	} {
		_, err := patch.Parse("fix.patch", []byte(text))
		if _, ok := errors.AsType[*patch.SyntaxError](err); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A name below a symlink that leads out of the tree must not be followed.
func TestApplyStaysInside(t *testing.T) {
	t.Parallel()
	outside := makeTree(t, map[string]string{"f": "x\n"})
	root := makeTree(t, map[string]string{"link": "->" + outside.Name()})
	for _, text := range []string{
		"--- a/link/f\n+++ b/link/f\n@@ -1 +1 @@\n-x\n+y\n",
		"--- /dev/null\n+++ b/link/new\n@@ -0,0 +1 @@\n+y\n",
	} {
		if err := apply(t, root, text); err == nil {
			t.Errorf("%q was applied", text)
		}
	}
	if diff := cmp.Diff(map[string]string{"f": "x\n"}, readTree(t, outside.Name())); diff != "" {
		t.Error(diff)
	}
}

func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Whatever git diff says of two random trees makes the one out of the other,
// and the way back.
func TestApplyWhatGitDiffWrites(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		before := randomTree(rng, nil)
		after := randomTree(rng, before)
		root := makeTree(t, before)
		gitIn(t, root.Name(), "init", "-q")
		gitIn(t, root.Name(), "add", "-A")
		gitIn(t, root.Name(), "commit", "-q", "-m", "before", "--allow-empty")
		other := makeTree(t, after)
		gitIn(t, other.Name(), "--git-dir="+filepath.Join(root.Name(), ".git"), "add", "-A")
		text := gitIn(t, root.Name(), "diff", "--cached", "-M", "-C", "--find-copies-harder")
		back := gitIn(t, root.Name(), "diff", "--cached", "-M", "-R")
		if err := apply(t, root, text); err != nil {
			t.Errorf("seed %d: %v\n%s", seed, err, text)
			continue
		}
		if diff := cmp.Diff(after, readTree(t, root.Name())); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		if err := apply(t, root, back); err != nil {
			t.Errorf("seed %d, back: %v\n%s", seed, err, back)
		}
		if diff := cmp.Diff(before, readTree(t, root.Name())); diff != "" {
			t.Errorf("seed %d, back: %s", seed, diff)
		}
	}
}

// randomTree is a tree of text files, or a change of one.
func randomTree(rng *rand.Rand, from map[string]string) map[string]string {
	files := make(map[string]string)
	line := func() string { return fmt.Sprintf("line %d\n", rng.IntN(40)) }
	for i := range 12 {
		name := fmt.Sprintf("d%d/f%d", i%3, i)
		plain, exec := from[name], from[name+"*"]
		lines := strings.SplitAfter(plain+exec, "\n")
		switch {
		case plain+exec == "":
			for range rng.IntN(30) {
				lines = append(lines, line())
			}
		case rng.IntN(4) == 0:
			continue // deleted
		case rng.IntN(4) == 0:
			name = fmt.Sprintf("moved/f%d", i)
		}
		if plain+exec != "" {
			for range rng.IntN(4) {
				lines[rng.IntN(len(lines))] = line()
			}
		}
		text := strings.Join(lines, "")
		if rng.IntN(4) == 0 {
			text = strings.TrimSuffix(text, "\n")
		}
		if rng.IntN(3) == 0 {
			name += "*"
		}
		files[name] = text
	}
	return files
}

func TestParseRecordsDigest(t *testing.T) {
	t.Parallel()
	src := []byte("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n")
	p, err := patch.Parse("fix.patch", src)
	sum := sha256.Sum256(src)
	if err != nil || p.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%v, %+v", err, p)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\n--- a/old\n+++ b/new\n@@ -8,3 +8,3 @@\n 8\n 9\n-10\n+ten\n"), "8\n9\n10\n")
	f.Add([]byte("--- a/f\n+++ b/../../f\n@@ -1 +1 @@\n-x\n+y\n"), "x\n")
	f.Add([]byte("diff --git \"a/\\303\\274\" \"b/.git/x\"\nnew file mode 120000\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+../../etc\n"), "")
	f.Add([]byte("--- a/f\n+++ b/f\n@@ -9223372036854775807,1 +1,9223372036854775807 @@\n-x\n"), "x\n")
	f.Fuzz(func(t *testing.T, src []byte, text string) {
		p, err := patch.Parse("fuzz", src)
		if err != nil {
			return
		}
		files := make(map[string]string)
		for _, file := range p.Files {
			for _, name := range []string{file.Old, file.New} {
				if name != "" && (!fs.ValidPath(name) || name == ".") {
					t.Fatalf("the name %q passed", name)
				}
			}
		}
		if len(p.Files) == 1 && p.Files[0].Old == "f" {
			files["f"] = text
		}
		root := makeTree(t, files)
		if err := p.Apply(root); err != nil {
			if diff := cmp.Diff(files, readTree(t, root.Name())); diff != "" {
				t.Errorf("%v, and yet something changed: %s", err, diff)
			}
		}
	})
}
