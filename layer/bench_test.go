package layer_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/layer"
)

// measure runs work as the benchmark and reports its peak memory and CPU time.
func measure(b *testing.B, bytes int64, work func(dir string) error) {
	b.SetBytes(bytes)
	runtime.GC()
	var before, after syscall.Rusage
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak counts from here
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := work(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := func(r syscall.Rusage) time.Duration {
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	b.ReportMetric((cpu(after)-cpu(before)).Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(peak(b), "peak-MB")
}

// peak is the most memory this process held since it was last cleared.
func peak(b testing.TB) float64 {
	src, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(src)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1000
		}
	}
	return 0
}

// goSources are the Go tree's sources: about as many files as a base has.
func goSources(b *testing.B) fs.FS {
	b.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip(err)
	}
	return os.DirFS(filepath.Join(strings.TrimSpace(string(goroot)), "src"))
}

// BenchmarkWrite writes files that are not deflated yet, in every form. How fast
// wheels become an image is measured where both meet, in cmd's pipeline.
func BenchmarkWrite(b *testing.B) {
	src := goSources(b)
	for _, compression := range []string{layer.Gzip, layer.Zstd, layer.GzipRecompress, layer.None} {
		b.Run(compression, func(b *testing.B) {
			blob, err := layer.Write(b.Context(), b.TempDir(), src, layer.Options{Compression: compression})
			if err != nil {
				b.Fatal(err)
			}
			size, err := blob.UncompressedSize()
			if err != nil {
				b.Fatal(err)
			}
			measure(b, size, func(dir string) error {
				_, err := layer.Write(b.Context(), dir, src, layer.Options{Compression: compression})
				return err
			})
		})
	}
}

// BenchmarkUnpack lays out a tree.
func BenchmarkUnpack(b *testing.B) {
	src := goSources(b)
	blob, err := layer.Write(b.Context(), b.TempDir(), src, layer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blob)
	if err != nil {
		b.Fatal(err)
	}
	size, err := blob.UncompressedSize()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d entries", blob.Files())
	measure(b, size, func(dir string) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		_, err = layer.Unpack(b.Context(), img, root)
		return err
	})
}
