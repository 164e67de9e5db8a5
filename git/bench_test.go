package git_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// rounds is how often everything is measured; the table has the medians.
const rounds = 5

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

// sample is what one run of one process took.
type sample struct{ seconds, cpu, moved, peak float64 }

// duel is one line of the table: what git and what sparkwheel run for it. They
// leave what they make below the directory of the round.
type duel struct {
	name            string
	times           int // in each round
	git, sparkwheel func(dir string, n int) *exec.Cmd
}

// BenchmarkSideBySide runs git and sparkwheel in turn, each as a process of its
// own, against one server on loopback, and prints what they took side by side.
func BenchmarkSideBySide(b *testing.B) {
	w := newWorld(b)
	r := bigRepo(b, w)
	h := w.handler()
	m := &meter{h: h}
	s := httptest.NewServer(m)
	b.Cleanup(s.Close)
	duels := sideBySide(b, s.URL+"/big", r.git("rev-parse", "main"))
	took := make(map[string][]sample)
	for b.Loop() {
		for round := range rounds {
			dir := b.TempDir()
			for _, d := range duels {
				d.fight(b, m, dir, round, took)
			}
			empty(b, dir)
		}
	}
	b.Logf("the pack: %s\n%s", strings.ReplaceAll(r.git("count-objects", "-vH"), "\n", ", "), table(duels, took))
	of := func(d, tool string) sample { return middle(took[d+tool]) }
	b.ReportMetric(of("export cold", "sparkwheel").seconds/of("export cold", "git").seconds, "cold/git")
	b.ReportMetric(of("export warm", "sparkwheel").seconds/of("export warm", "git").seconds, "warm/git")
	b.ReportMetric(of("describe cold", "sparkwheel").moved/of("full clone", "git").moved, "describe/clone-bytes")
	b.ReportMetric(0, "ns/op")
}

// fight lets both run, by turns the one and the other first.
func (d duel) fight(b *testing.B, m *meter, dir string, round int, took map[string][]sample) {
	for n := range d.times {
		tools := []string{"git", "sparkwheel"}
		if round%2 == 1 {
			slices.Reverse(tools)
		}
		for _, tool := range tools {
			run := d.git
			if tool == "sparkwheel" {
				run = d.sparkwheel
			}
			if run != nil {
				took[d.name+tool] = append(took[d.name+tool], measure(b, m, run(dir, n)))
			}
		}
	}
}

func sideBySide(b *testing.B, url, commit string) []duel {
	git := func(dir string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		return cmd
	}
	script := func(dir, text string) *exec.Cmd { return git(dir, "-c", "alias.x=!"+text, "x") }
	child := func(verb, dir, store, out string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), os.Args[0], filepath.Join(dir, store), url, commit, filepath.Join(dir, out))
		cmd.Env = append(os.Environ(), childVariable+"="+verb)
		return cmd
	}
	fetch := "git init -q wt && cd wt && git fetch -q --depth 1 " + url + " " + commit + " && git checkout -q " + commit
	describe := "git clone -q --bare --filter=tree:0 " + url + " c && git -C c describe --tags --long " + commit
	return []duel{
		{"full clone", 1, func(dir string, _ int) *exec.Cmd { return git(dir, "clone", "-q", url, "clone") }, nil},
		{
			"export cold", 1,
			func(dir string, _ int) *exec.Cmd { return script(dir, fetch) },
			func(dir string, _ int) *exec.Cmd { return child("checkout", dir, "store", "cold") },
		},
		{
			"export warm", 3,
			func(dir string, n int) *exec.Cmd {
				return git(filepath.Join(dir, "wt"), "worktree", "add", "-q", "--detach", fmt.Sprint("../git", n), commit)
			},
			func(dir string, n int) *exec.Cmd { return child("checkout", dir, "store", fmt.Sprint("warm", n)) },
		},
		{
			"describe cold", 1,
			func(dir string, _ int) *exec.Cmd { return script(dir, describe) },
			func(dir string, _ int) *exec.Cmd { return child("describe", dir, "commits", "") },
		},
	}
}

func measure(b *testing.B, m *meter, cmd *exec.Cmd) sample {
	before, start := m.sent.Load(), time.Now()
	out, err := cmd.CombinedOutput()
	s := sample{seconds: time.Since(start).Seconds(), moved: float64(m.sent.Load()-before) / 1e6}
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	s.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = float64(usage.Maxrss) / 1024
	}
	return s
}

// empty cuts all files to nothing, so that they need not go to the disk while
// others are measured. They stay: ext4 walks past every inode that was freed in
// the last minutes, and whoever makes files then pays for it.
func empty(b *testing.B, dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, 0)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// middle has the median of each number, and of the peaks the highest.
func middle(all []sample) sample {
	median := func(of func(sample) float64) float64 {
		sorted := slices.SortedFunc(slices.Values(all), func(a, b sample) int { return cmp.Compare(of(a), of(b)) })
		return of(sorted[len(sorted)/2])
	}
	return sample{
		seconds: median(func(s sample) float64 { return s.seconds }),
		cpu:     median(func(s sample) float64 { return s.cpu }),
		moved:   median(func(s sample) float64 { return s.moved }),
		peak:    slices.MaxFunc(all, func(a, b sample) int { return cmp.Compare(a.peak, b.peak) }).peak,
	}
}

func table(duels []duel, took map[string][]sample) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tgit CLI: s\tCPU s\tMB moved\tpeak MB\tsparkwheel: s\tCPU s\tMB moved\tpeak MB\t")
	for _, d := range duels {
		fmt.Fprintf(w, "%s\t", d.name)
		for _, tool := range []string{"git", "sparkwheel"} {
			all := took[d.name+tool]
			if len(all) == 0 {
				fmt.Fprint(w, "\t\t\t\t")
				continue
			}
			s := middle(all)
			fmt.Fprintf(w, "%.2f\t%.2f\t%.1f\t%.0f\t", s.seconds, s.cpu, s.moved, s.peak)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err.Error()
	}
	return text.String()
}
