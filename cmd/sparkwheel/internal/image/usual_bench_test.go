package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cost is what one way, or a step of one, took.
type cost struct{ seconds, cpu, peakMB float64 }

func (c cost) plus(d cost) cost {
	return cost{c.seconds + d.seconds, c.cpu + d.cpu, max(c.peakMB, d.peakMB)}
}

// measured runs work in this process.
func measured(tb testing.TB, work func() error) cost {
	tb.Helper()
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak counts from here
	before, start := processCPU(tb), time.Now()
	if err := work(); err != nil {
		tb.Fatal(err)
	}
	c := cost{seconds: time.Since(start).Seconds(), cpu: processCPU(tb) - before}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			c.peakMB = kb / 1000
		}
	}
	return c
}

func processCPU(tb testing.TB) float64 {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// tool runs a program with its caches below dir.
func tool(tb testing.TB, dir, name string, args ...string) cost {
	tb.Helper()
	c := exec.CommandContext(tb.Context(), name, args...)
	c.Env = append(os.Environ(), "UV_CACHE_DIR="+filepath.Join(dir, "uv-cache"), "TMPDIR="+dir, "PIP_CACHE_DIR="+filepath.Join(dir, "pip-cache"))
	start := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		tb.Fatalf("%s %.200q: %v\n%.2000s", name, args, err, out)
	}
	took := cost{seconds: time.Since(start).Seconds(), cpu: (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()}
	if r, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		took.peakMB = float64(r.Maxrss) / 1000
	}
	return took
}

// tools are the programs of the usual path; an empty one is not here.
type tools struct{ uv, crane, buildah string }

// findTools finds uv and buildah, and crane, which is built from the module
// that this one requires where it is not installed.
func findTools(tb testing.TB) tools {
	tb.Helper()
	var t tools
	var err error
	if t.uv, err = exec.LookPath("uv"); err != nil {
		tb.Skip("uv is not installed: pip install uv==0.13.9")
	}
	t.buildah, _ = exec.LookPath("buildah")
	if t.crane, err = exec.LookPath("crane"); err == nil {
		return t
	}
	bin := tb.TempDir()
	version, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/google/go-containerregistry").Output()
	if err != nil {
		tb.Skipf("asking go which crane to build: %v", err)
	}
	c := exec.CommandContext(tb.Context(), "go", "install", "github.com/google/go-containerregistry/cmd/crane@"+strings.TrimSpace(string(version)))
	c.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
	if out, err := c.CombinedOutput(); err != nil {
		tb.Skipf("building crane: %v\n%s", err, out)
	}
	t.crane = filepath.Join(bin, "crane")
	return t
}

// table gathers what the rounds of each way took, in the order of the ways.
type table struct {
	names []string
	costs map[string][]cost
}

func (t *table) add(name string, c cost) {
	if t.costs == nil {
		t.costs = map[string][]cost{}
	}
	if t.costs[name] == nil {
		t.names = append(t.names, name)
	}
	t.costs[name] = append(t.costs[name], c)
}

// median is by seconds: a machine that was busy for a while does not decide.
func (t *table) median(name string) cost {
	all := slices.SortedFunc(slices.Values(t.costs[name]), func(a, b cost) int { return cmp.Compare(a.seconds, b.seconds) })
	if len(all) == 0 {
		return cost{}
	}
	return all[(len(all)-1)/2]
}

// log prints the medians beside that of the way called ours.
func (t *table) log(b *testing.B, what, ours string) {
	b.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "%s, medians of %d\n%-52s %9s %9s %9s %9s\n", what, len(t.costs[ours]), "", "seconds", "cpu-s", "peak-MB", "times")
	for _, name := range t.names {
		c := t.median(name)
		fmt.Fprintf(&text, "%-52s %9.2f %9.2f %9.0f %9.2f\n", name, c.seconds, c.cpu, c.peakMB, c.seconds/t.median(ours).seconds)
	}
	fmt.Println(text.String()) // a benchmark's own log ends after ten lines
	c := t.median(ours)
	b.ReportMetric(c.seconds, "s")
	b.ReportMetric(c.cpu, "cpu-s")
	b.ReportMetric(c.peakMB, "peak-MB")
	b.ReportMetric(0, "ns/op")
}

const ours = "sparkwheel"

// usual is the way with the usual tools, step by step into t. What a step
// leaves is removed as soon as the next has used it: of gigabytes nobody has
// room for all.
func (c *corpus) usual(b *testing.B, t *table, bin tools) (appended cost) {
	b.Helper()
	dir := scratch(b)
	target := filepath.Join(dir, "target", c.scheme.Purelib)
	install := tool(b, dir, bin.uv, append([]string{"pip", "install", "--quiet", "--python-platform", "aarch64-manylinux_2_39",
		"--python-version", c.scheme.PythonVersion, "--no-deps", "--no-index", "--target", target}, c.paths()...)...)
	removed(b, filepath.Join(dir, "uv-cache"))
	t.add("  uv pip install --target", install)
	appended = c.append(b, t, bin, dir)
	t.add("uv pip install, tar, crane append", install.plus(appended))
	removed(b, dir)
	return appended
}

// pip installs with pip, which compiles nothing, as uv does not.
func (c *corpus) pip(b *testing.B) cost {
	b.Helper()
	version := c.scheme.PythonVersion
	args := []string{"-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", "--no-deps", "--no-index",
		"--only-binary", ":all:", "--python-version", version, "--implementation", "cp",
		"--abi", "cp" + strings.ReplaceAll(version, ".", ""), "--abi", "abi3", "--abi", "none"}
	for _, platform := range []string{"any", "linux_aarch64", "manylinux2014_aarch64"} {
		args = append(args, "--platform", platform)
	}
	for minor := 17; minor < 40; minor++ {
		args = append(args, "--platform", fmt.Sprintf("manylinux_2_%d_aarch64", minor))
	}
	dir := scratch(b)
	took := tool(b, dir, "python3", append(append(args, "--target", filepath.Join(dir, "target")), c.paths()...)...)
	removed(b, dir)
	return took
}

// append makes an image of what was installed into dir/target.
func (c *corpus) append(b *testing.B, t *table, bin tools, dir string) cost {
	b.Helper()
	root, file := filepath.Join(dir, "target"), filepath.Join(dir, "layer.tar")
	if bin.buildah != "" {
		t.add("  buildah from scratch, add, commit", buildah(b, bin.buildah, dir, root))
	}
	packed := tool(b, dir, "tar", "-C", root, "-cf", file, ".")
	t.add("  tar", packed)
	removed(b, root)
	appended := tool(b, dir, bin.crane, "append", "--oci-empty-base", "-f", file, "-t", "x/y:latest", "-o", filepath.Join(dir, "image.tar"))
	t.add("  crane append", appended)
	return packed.plus(appended)
}

func buildah(b *testing.B, program, dir, root string) cost {
	b.Helper()
	state := filepath.Join(dir, "buildah")
	global := []string{"--root", state + "/root", "--runroot", state + "/run", "--storage-driver", "vfs"}
	script := fmt.Sprintf(`set -e; c=$("$@" from scratch); "$@" add -q "$c" %q /; "$@" commit -q --rm "$c" oci:%s/image`, root, state)
	c := tool(b, dir, "sh", append([]string{"-c", script, "sh", program}, global...)...)
	removed(b, state)
	return c
}

func scratch(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "sparkwheel-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func removed(b *testing.B, path string) {
	b.Helper()
	if err := os.RemoveAll(path); err != nil {
		b.Fatal(err)
	}
}

// roomFor skips where the usual path, which has the wheels unpacked and as a tar
// at one time, does not fit on the disk.
func (c *corpus) roomFor(b *testing.B) {
	b.Helper()
	var disk unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &disk); err != nil {
		b.Skip(err)
	}
	free, takes := int64(disk.Bavail)*disk.Bsize, c.unpacked*21/10
	if free < takes {
		b.Skipf("%s has %d MiB free, the usual path takes %d: set TMPDIR to a place with more", os.TempDir(), free>>20, takes>>20)
	}
}

// rival measures the usual ways of one round into t.
type rival func(t *table)

// compare runs this program, the floor and the rivals in turn, as many rounds
// as asked, and prints the medians.
func (c *corpus) compare(b *testing.B, rounds int, others rival) {
	b.Helper()
	c.roomFor(b)
	t := new(table)
	for range rounds {
		t.add(ours, c.timed(b, func(ctx context.Context, dir string) error {
			_, err := c.image(ctx, dir)
			return err
		}))
		t.add("floor", c.timed(b, c.floor))
		others(t)
	}
	t.log(b, c.String(), ours)
}

// timed measures a way of this process in a directory of its own.
func (c *corpus) timed(b *testing.B, way func(ctx context.Context, dir string) error) cost {
	b.Helper()
	dir := scratch(b)
	took := measured(b, func() error { return way(b.Context(), dir) })
	removed(b, dir)
	return took
}
