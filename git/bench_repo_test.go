package git_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A repository of vLLM's size.
const bigFiles, bigCommits, linesChanged = 3000, 10_000, 55

// writeHistory writes a fast-import stream that makes a pack of some 100 MB.
// Source text compresses to about a third, so words make up the files.
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
		for range 20 + int(rng.ExpFloat64()*450) {
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
			for range linesChanged {
				files[i][rng.IntN(len(files[i]))] = line()
			}
			blob(i)
		}
		if n%500 == 400 {
			fmt.Fprintf(w, "\nreset refs/tags/v0.%d.0\nfrom refs/heads/main\n\n", n/500)
		}
	}
}

// bigRepo makes the repository, packed as a server has it. A process of its
// own writes the history: what a process ever held counts as the peak of those
// it starts.
func bigRepo(b *testing.B, w *world) *repo {
	b.Helper()
	r := w.repo("big")
	history := exec.CommandContext(b.Context(), os.Args[0])
	history.Env = append(os.Environ(), childVariable+"=history")
	stream, err := history.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	// The repack after it compresses; here it would only take time.
	load := exec.CommandContext(b.Context(), "git", "-C", r.dir, "-c", "core.compression=0", "fast-import", "--quiet", "--depth=0")
	load.Stdin = stream
	if err := history.Start(); err != nil {
		b.Fatal(err)
	}
	if out, err := load.CombinedOutput(); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	if err := history.Wait(); err != nil {
		b.Fatal(err)
	}
	r.git("-c", "pack.threads=2", "repack", "-adFq", "--window=5", "--depth=20")
	return r
}
