package git_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// fastImport feeds a stream to git fast-import.
func (r *repo) fastImport(stream string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", "fast-import", "--quiet")
	cmd.Dir = r.dir
	cmd.Stdin = strings.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}

// randomHistory is a history of n commits with merges, clocks that go wrong,
// and tags of every kind, several on one commit now and then.
func randomHistory(rng *rand.Rand, n int) string {
	var s strings.Builder
	clock := 1_700_000_000
	for i := 1; i <= n; i++ {
		clock += rng.IntN(1000)
		if rng.IntN(8) == 0 {
			clock -= rng.IntN(20_000)
		}
		fmt.Fprintf(&s, "commit refs/heads/b%d\nmark :%d\ncommitter C <c@example.com> %d +0000\ndata 1\nm\n", i, i, clock)
		if i > 1 && rng.IntN(30) > 0 {
			from := max(1, i-1-rng.IntN(4))
			fmt.Fprintf(&s, "from :%d\n", from)
			if merged := 1 + rng.IntN(i-1); merged != from && rng.IntN(3) == 0 {
				fmt.Fprintf(&s, "merge :%d\n", merged)
			}
		}
		s.WriteByte('\n')
		for n := 0; rng.IntN(5) == 0; n++ {
			name := fmt.Sprintf("v%d.%d.%d", rng.IntN(9), i, n)
			switch rng.IntN(4) {
			case 0:
				fmt.Fprintf(&s, "reset refs/tags/%s\nfrom :%d\n\n", name, i)
			case 1:
				digitless := strings.Map(func(r rune) rune { return r | 0x40 }, name)
				fmt.Fprintf(&s, "reset refs/tags/%s\nfrom :%d\n\n", digitless, i)
			default:
				fmt.Fprintf(&s, "tag %s\nfrom :%d\ntagger C <c@example.com> %d +0000\ndata 1\nt\n", name, i, clock+rng.IntN(3)-1)
			}
		}
	}
	return s.String()
}

func TestDescribeRandomHistories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		r := w.repo(fmt.Sprint("up", seed))
		r.fastImport(randomHistory(rng, 60))
		commits := strings.Fields(r.git("rev-list", "--all"))
		rng.Shuffle(len(commits), func(i, j int) { commits[i], commits[j] = commits[j], commits[i] })
		commits = commits[:12]
		args := append([]string{"describe", "--always", "--tags", "--long", "--abbrev=40", "--match", "*[0-9]*"}, commits...)
		want := strings.Fields(r.git(args...))
		for i, commit := range commits {
			d, err := w.m.Describe(t.Context(), r.url, git.Commit{Hash: commit}, t.Output())
			got := d.String()
			if err != nil {
				got = commit // as --always has it
			}
			if got != want[i] {
				t.Errorf("seed %d: %s: %s, %v, want %s", seed, commit, got, err, want[i])
			}
		}
	}
}

func TestCheckoutRandomTrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := w.repo(fmt.Sprint("up", seed))
		randomFiles(t, rng, r.dir, 60)
		c := git.Commit{Hash: r.commit("one")}
		dir := filepath.Join(t.TempDir(), "tree")
		tree, err := w.m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true, Jobs: 1 + rng.IntN(5)}, t.Output())
		if err != nil {
			t.Fatal(err)
		}
		got := readTree(t, dir)
		delete(got, ".")
		want := archive(t, r, c.Hash)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		files, bytes := 0, int64(0)
		for _, e := range want {
			if !e.Mode.IsDir() {
				files, bytes = files+1, bytes+int64(len(e.Text))
			}
		}
		if tree.Files != files || tree.Bytes != bytes {
			t.Errorf("seed %d: told %d files and %d bytes, there are %d and %d", seed, tree.Files, tree.Bytes, files, bytes)
		}
	}
}

// randomFiles fills a directory: names with spaces, quotes, newlines and
// other scripts, all modes, links to anywhere, files alike, empty and large.
func randomFiles(t *testing.T, rng *rand.Rand, dir string, n int) {
	t.Helper()
	parts := []string{"a", "b c", "ü", "日本", "x'y\"z", "d\nd", "...", ".github", "git", "~", "#", "%2e"}
	for i := range n {
		name := dir
		for range rng.IntN(4) {
			name = filepath.Join(name, parts[rng.IntN(len(parts))])
		}
		name = filepath.Join(name, fmt.Sprintf("%s%d", parts[rng.IntN(len(parts))], i))
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		switch {
		case err != nil:
		case rng.IntN(6) == 0:
			err = os.Symlink([]string{"/etc/passwd", "../..", "a b", "日本"}[rng.IntN(4)], name)
		case i < 2: // larger than what is held in memory
			err = os.WriteFile(name, []byte(noise(1_100_000+rng.IntN(3))), 0o644)
		default:
			err = os.WriteFile(name, []byte(strings.Repeat("text\r\n", rng.IntN(3))), []os.FileMode{0o644, 0o755}[rng.IntN(2)])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Attributes are text: nothing is left out, converted or expanded.
func TestCheckoutIgnoresAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("hidden", "$Id$\n")
	r.write("crlf", "a\nb\n")
	r.commit("before the attributes")
	r.write(".gitattributes", "hidden export-ignore ident\ncrlf text eol=crlf\n*.bin filter=lfs\n")
	r.write("large.bin", "version https://git-lfs.github.com/spec/v1\n")
	r.git("add", ".gitattributes", "large.bin")
	c := git.Commit{Hash: r.commitIndex("one")}
	dir := filepath.Join(t.TempDir(), "tree")
	if _, err := w.m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"hidden": "$Id$\n", "crlf": "a\nb\n", "large.bin": "version https://git-lfs.github.com/spec/v1\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
