package git_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// A repository of vLLM's size.
const bigFiles, bigCommits = 3000, 10_000

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
			for range 14 {
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
	load := exec.CommandContext(b.Context(), "git", "-C", r.dir, "fast-import", "--quiet")
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
	r.git("-c", "pack.threads=2", "repack", "-adfq", "--window=5", "--depth=20")
	return r
}

// meter counts the bytes that a server sends.
type meter struct {
	h    http.Handler
	sent atomic.Int64
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.h.ServeHTTP(&meteredWriter{w, m}, r)
}

type meteredWriter struct {
	http.ResponseWriter
	m *meter
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.m.sent.Add(int64(n))
	return n, err
}

// job is one line of the table: prepare stands outside of the measured time.
type job struct {
	name    string
	prepare func(dir string)
	run     func(dir string) *exec.Cmd
}

// BenchmarkSideBySide runs git and sparkwheel, each as a process of its own,
// against one server on loopback: seconds, CPU seconds, MB moved, peak MB.
func BenchmarkSideBySide(b *testing.B) {
	w := newWorld(b)
	r := bigRepo(b, w)
	h, err := gittest.Handler(w.root)
	if err != nil {
		b.Skip(err)
	}
	m := &meter{h: h}
	s := httptest.NewServer(m)
	b.Cleanup(s.Close)
	b.Logf("the pack: %s", strings.ReplaceAll(r.git("count-objects", "-vH"), "\n", ", "))
	for _, j := range sideBySide(b, s.URL+"/big", r.git("rev-parse", "main")) {
		b.Run(j.name, func(b *testing.B) { measure(b, m, j) })
	}
}

func sideBySide(b *testing.B, url, commit string) []job {
	git := func(dir string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		return cmd
	}
	child := func(verb, dir, out string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), os.Args[0], filepath.Join(dir, "store"), url, commit, filepath.Join(dir, out))
		cmd.Env = append(os.Environ(), childVariable+"="+verb)
		return cmd
	}
	must := func(cmd *exec.Cmd) {
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	nothing := func(string) {}
	script := func(dir, text string) *exec.Cmd {
		cmd := git(dir, "-c", "alias.x=!"+text, "x")
		return cmd
	}
	fetch := "git init -q wt && cd wt && git fetch -q --depth 1 " + url + " " + commit + " && git checkout -q " + commit
	return []job{
		{"full-clone/git", nothing, func(d string) *exec.Cmd { return git(d, "clone", "-q", url, "clone") }},
		{"export-cold/git", nothing, func(d string) *exec.Cmd { return script(d, fetch) }},
		{"export-cold/sparkwheel", nothing, func(d string) *exec.Cmd { return child("checkout", d, "tree") }},
		{"export-warm/git", func(d string) { must(script(d, fetch)) }, func(d string) *exec.Cmd {
			return git(filepath.Join(d, "wt"), "worktree", "add", "-q", "--detach", "../tree", commit)
		}},
		{"export-warm/sparkwheel", func(d string) { must(child("checkout", d, "first")) }, func(d string) *exec.Cmd { return child("checkout", d, "tree") }},
		{"describe-cold/git", nothing, func(d string) *exec.Cmd {
			return script(d, "git clone -q --bare --filter=tree:0 "+url+" c && git -C c describe --tags --long "+commit)
		}},
		{"describe-cold/sparkwheel", nothing, func(d string) *exec.Cmd { return child("describe", d, "") }},
	}
}

func measure(b *testing.B, m *meter, j job) {
	var cpu, moved, peak float64
	n := 0
	for b.Loop() {
		b.StopTimer()
		dir, err := os.MkdirTemp("", "bench-*")
		if err != nil {
			b.Fatal(err)
		}
		j.prepare(dir)
		before := m.sent.Load()
		cmd := j.run(dir)
		b.StartTimer()
		out, err := cmd.CombinedOutput()
		b.StopTimer()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		n++
		cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		moved += float64(m.sent.Load() - before)
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			peak = max(peak, float64(usage.Maxrss)*1024)
		}
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(n), "s")
	b.ReportMetric(cpu/float64(n), "cpu-s")
	b.ReportMetric(moved/float64(n)/1e6, "MB-moved")
	b.ReportMetric(peak/1e6, "MB-peak")
	b.ReportMetric(0, "ns/op")
}
