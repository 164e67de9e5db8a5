package install_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// realSet is the runtime of vLLM 0.24.0 on a GB10: facts/python-index.md, 6.
const realSet = "vllm==0.24.0\ntorch==2.11.0\nflashinfer-python==0.6.12\nflashinfer-cubin==0.6.12\n"

// realWheels locks the set with uv for linux/arm64 and brings its wheels, under
// their names: 4 GB. SPARKWHEEL_WHEELS is a directory to keep them in.
func realWheels(tb testing.TB, uv string) []string {
	tb.Helper()
	dir := os.Getenv("SPARKWHEEL_WHEELS")
	if dir == "" {
		dir = tb.TempDir()
	}
	in, lock := filepath.Join(tb.TempDir(), "in.txt"), filepath.Join(tb.TempDir(), "pylock.real.toml")
	if err := os.WriteFile(in, []byte(realSet), 0o644); err != nil {
		tb.Fatal(err)
	}
	run(tb, uv, "--quiet", "pip", "compile", "--no-header", "--format", "pylock.toml", "--only-binary", ":all:", "--no-python-downloads",
		"--python-platform", "aarch64-manylinux_2_39", "--python", "/usr/bin/python3", "--python-version", "3.12", in, "--output-file", lock)
	text, err := os.ReadFile(lock)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := index.ParsePylock(lock, text)
	if err != nil {
		tb.Fatal(err)
	}
	pins, err := p.Select(wheel.Supported("3.12", wheel.Platforms(39, "aarch64")), marker.Linux("3.12", "aarch64"))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := new(index.Client).Fetch(tb.Context(), pins, dir, 4, nil); err != nil {
		tb.Fatal(err)
	}
	named := tb.TempDir()
	var paths []string
	for _, pin := range pins {
		path := filepath.Join(named, pin.File)
		if err := os.Symlink(pin.Path(dir), path); err != nil {
			tb.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// real skips unless gigabytes are allowed.
func real(tb testing.TB) {
	tb.Helper()
	if os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		tb.Skip("set SPARKWHEEL_E2E_REAL=1: this brings 4 GB of wheels from the index")
	}
}

// TestRealRuntimeSet installs every wheel of the real set with uv and with
// install.Tree, and compares all 9 GB.
func TestRealRuntimeSet(t *testing.T) {
	real(t)
	uv := uvTool(t)
	paths := realWheels(t, uv)
	dir := filepath.Join(t.TempDir(), "target")
	run(t, uv, append([]string{"--quiet", "pip", "install", "--no-deps", "--offline", "--link-mode", "hardlink", "--python", "/usr/bin/python3",
		"--python-version", "3.12", "--python-platform", "aarch64-manylinux_2_39", "--target", dir}, paths...)...)
	begin := time.Now()
	var readers []*wheel.Reader
	for _, p := range paths {
		r, err := wheel.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers = append(readers, r)
	}
	opened := time.Since(begin)
	s := target(dir, "/usr/bin/python3", pythonVersion(t, "/usr/bin/python3"))
	_, err := install.Tree(s, readers...)
	found, ok := errors.AsType[*install.ConflictError](err)
	if !ok {
		t.Fatalf("got %v, want the conflicts that the set is known for", err)
	}
	// Which of two wheels uv lets win is chance: look, and say the same.
	for _, c := range found.Conflicts {
		over := uvChose(t, c, s.Purelib, readers)
		if !slices.Contains(s.Over, over) {
			t.Logf("allowed: %s stands over %s, as uv left it", over.Winner, over.Loser)
			s.Over = append(s.Over, over)
		}
	}
	again := time.Now()
	tree, err := install.Tree(s, readers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d wheels opened in %v, installed in %v, %d MiB of heap", len(readers), opened, time.Since(again), heap()>>20)
	compare(t, dir, tree, strings.TrimPrefix(dir, "/"), map[string]bool{".lock": true})
}

// uvChose says which of the wheels in conflict wrote the path that uv left.
func uvChose(t *testing.T, c install.Conflict, root string, readers []*wheel.Reader) install.Over {
	t.Helper()
	left, err := os.ReadFile("/" + c.Path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(left)
	var over install.Over
	for _, r := range readers {
		if name := r.Filename.String(); name != c.First && name != c.Second {
			continue
		}
		for f := range r.Files() {
			if f.Path() != strings.TrimPrefix(c.Path, root+"/") {
				continue
			}
			if bytes.Equal(f.SHA256(), sum[:]) {
				over.Winner = r.Filename.Distribution
			} else {
				over.Loser = r.Filename.Distribution
			}
		}
	}
	if over.Winner == "" || over.Loser == "" {
		t.Fatalf("uv left neither wheel's %s", c.Path)
	}
	return over
}

func heap() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// BenchmarkRealTree makes the tree of the real set and reads all of it.
func BenchmarkRealTree(b *testing.B) {
	real(b)
	paths := realWheels(b, uvTool(b))
	for b.Loop() {
		var readers []*wheel.Reader
		for _, p := range paths {
			r, err := wheel.Open(p)
			if err != nil {
				b.Fatal(err)
			}
			readers = append(readers, r)
		}
		tree, err := install.Tree(debian("3.12"), readers...)
		if err != nil {
			b.Fatal(err)
		}
		files, bytes := readAll(b, tree)
		b.SetBytes(bytes)
		b.ReportMetric(float64(files), "files")
		for _, r := range readers {
			r.Close()
		}
	}
}

// readAll reads every file of a tree and counts.
func readAll(tb testing.TB, tree fs.FS) (files int, bytes int64) {
	tb.Helper()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := tree.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		files++
		bytes += n
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files, bytes
}
