package git_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// bigRepo is a repository of vLLM's size: 10,000 commits, 3,000 files, a pack
// of about 100 MB, and a tag on every 500th commit.
func bigRepo(b testing.TB, w *world) *repo {
	b.Helper()
	r := w.repo("big")
	cmd := exec.CommandContext(b.Context(), "git", "-C", r.dir, "fast-import", "--quiet")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(in, 1<<20)
	writeHistory(out)
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := in.Close(); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	r.git("-c", "pack.threads=2", "repack", "-adfq", "--depth=50", "--window=10")
	return r
}

const bigFiles, bigCommits = 3000, 10_000

// writeHistory writes a fast-import stream. Source text compresses to about a
// third, so words make up the files and a changed line costs what it does there.
func writeHistory(w *bufio.Writer) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4096)
	for i := range words {
		words[i] = fmt.Sprintf("%x", rng.Uint64()>>(8*rng.IntN(7)))
	}
	line := func() string {
		var s strings.Builder
		for range 3 + rng.IntN(8) {
			s.WriteString(words[int(rng.ExpFloat64()*400)%len(words)])
			s.WriteByte(' ')
		}
		return s.String() + "\n"
	}
	files := make([][]string, bigFiles)
	for i := range files {
		for range 20 + int(rng.ExpFloat64()*700) {
			files[i] = append(files[i], line())
		}
	}
	blob := func(i int) {
		text := strings.Join(files[i], "")
		fmt.Fprintf(w, "M 100644 inline d%d/e%d/file%d.py\ndata %d\n%s\n", i%40, i%7, i, len(text), text)
	}
	for n := range bigCommits {
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter C <c@example.com> %d +0000\ndata 4\nmsg\n\n", 1_700_000_000+n*600)
		if n == 0 {
			for i := range files {
				blob(i)
			}
		}
		for range 1 + rng.IntN(3) {
			i := rng.IntN(bigFiles)
			for range 40 {
				files[i][rng.IntN(len(files[i]))] = line()
			}
			blob(i)
		}
		if n%500 == 499 {
			fmt.Fprintf(w, "\nreset refs/tags/v0.%d.0\nfrom refs/heads/main\n\n", n/500)
		}
	}
}
