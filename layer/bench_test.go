package layer_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/inflate"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

func wheels(b *testing.B) (paths []string, unpacked int64) {
	b.Helper()
	paths, err := corpus()
	if err != nil {
		b.Skip(err)
	}
	files := 0
	for _, path := range paths {
		w, err := openWheel(path)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range w.File {
			unpacked += int64(f.UncompressedSize64)
			files++
		}
		w.Close()
	}
	b.Logf("%d wheels, %d files, %d MiB unpacked", len(paths), files, unpacked>>20)
	return paths, unpacked
}

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

// image writes the wheels as layers, several at once, and the layout.
func image(ctx context.Context, dir string, paths []string, opt layer.Options) error {
	blobs := make([]*layer.Blob, len(paths))
	g, ctx2 := errgroup.WithContext(ctx)
	g.SetLimit(1)
	for i, path := range paths {
		g.Go(func() error {
			w, err := openWheel(path)
			if err != nil {
				return err
			}
			defer w.Close()
			blobs[i], err = layer.Write(ctx2, filepath.Join(dir, "store", filepath.Base(path)), w, opt)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "arm64", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return err
	}
	img, err := layer.Append(base, layer.Config{}, blobs...)
	if err != nil {
		return err
	}
	_, err = layout.Write(ctx, filepath.Join(dir, "image"), "", img)
	return err
}

func BenchmarkImage(b *testing.B) {
	paths, size := wheels(b)
	for _, compression := range []string{layer.Gzip, layer.Zstd, layer.GzipRecompress, layer.None} {
		b.Run(compression, func(b *testing.B) {
			measure(b, size, func(dir string) error {
				return image(b.Context(), dir, paths, layer.Options{Compression: compression})
			})
		})
	}
}

// BenchmarkFloor is the least that any way must do: inflate every member on all
// cores to check it, hash content, tar and blob, and write the blob.
func BenchmarkFloor(b *testing.B) {
	paths, size := wheels(b)
	measure(b, size, func(dir string) error {
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for _, path := range paths {
			g.Go(func() error { return floor(path, filepath.Join(dir, filepath.Base(path))) })
		}
		return g.Wait()
	})
}

func floor(path, to string) error {
	w, err := openWheel(path)
	if err != nil {
		return err
	}
	defer w.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	blob := sha256.New()
	p := &leastPipe{out: io.MultiWriter(out, blob), piece: make([]byte, 256<<10), tar: sha256.New()}
	for range 2 {
		p.spare = append(p.spare, make([]byte, 256<<10))
	}
	var d inflate.Decoder
	for _, f := range w.File {
		if p.in, err = f.OpenRaw(); err != nil {
			return err
		}
		p.content = sha256.New()
		if err := d.Decode(p); err != nil {
			return err
		}
	}
	return out.Sync()
}

// leastPipe hashes and writes, and does nothing else.
type leastPipe struct {
	in                io.Reader
	piece             []byte
	out, content, tar io.Writer
	spare, lent       [][]byte
}

func (p *leastPipe) Next() ([]byte, error) {
	n, err := io.ReadFull(p.in, p.piece)
	if n == 0 {
		return nil, err
	}
	_, err = p.out.Write(p.piece[:n])
	return p.piece[:n], err
}

func (p *leastPipe) Buffer() []byte {
	b := p.spare[0]
	p.spare, p.lent = p.spare[1:], append(p.lent, b)
	return b
}

func (p *leastPipe) Emit(end int) error {
	b := p.lent[0]
	p.lent, p.spare = p.lent[1:], append(p.spare, b)
	_, err := io.MultiWriter(p.content, p.tar).Write(b[inflate.Window:end])
	return err
}

// BenchmarkUsual is the usual path with its tools as libraries: unpack the
// wheels, make one tar, and what crane append does with it into a layout.
func BenchmarkUsual(b *testing.B) {
	paths, size := wheels(b)
	measure(b, size, func(dir string) error {
		root := filepath.Join(dir, "root")
		for _, path := range paths {
			if err := unzip(path, root); err != nil {
				return err
			}
		}
		file := filepath.Join(dir, "layer.tar")
		if err := tarDir(root, file); err != nil {
			return err
		}
		l, err := tarball.LayerFromFile(file)
		if err != nil {
			return err
		}
		img, err := mutate.AppendLayers(empty.Image, l)
		if err != nil {
			return err
		}
		p, err := ggcrlayout.Write(filepath.Join(dir, "image"), empty.Index)
		if err != nil {
			return err
		}
		return p.AppendImage(img)
	})
}

func unzip(path, root string) error {
	w, err := openWheel(path)
	if err != nil {
		return err
	}
	defer w.Close()
	return os.CopyFS(root, w.ReadCloser)
}

func tarDir(root, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(root)); err != nil {
		return err
	}
	return w.Close()
}

// BenchmarkOneChanged is the second build after one wheel of forty changed.
func BenchmarkOneChanged(b *testing.B) {
	paths, _ := wheels(b)
	store := b.TempDir()
	if err := image(b.Context(), store, paths, layer.Options{}); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(paths[0])
	if err != nil {
		b.Fatal(err)
	}
	measure(b, info.Size(), func(dir string) error {
		blobs := make([]*layer.Blob, len(paths))
		for i, path := range paths {
			at := filepath.Join(store, "store", filepath.Base(path))
			if i > 0 {
				if blobs[i], err = layer.Open(at); err != nil {
					return err
				}
				continue
			}
			w, err := openWheel(path)
			if err != nil {
				return err
			}
			blobs[i], err = layer.Write(b.Context(), dir, w, layer.Options{})
			w.Close()
			if err != nil {
				return err
			}
		}
		img, err := layer.Append(empty.Image, layer.Config{}, blobs...)
		if err != nil {
			return err
		}
		_, err = layout.Write(b.Context(), filepath.Join(store, "image"), "", img)
		return err
	})
}

var _ fs.FS = (*wheelTree)(nil)

// BenchmarkUnpack lays out the Go tree's sources, about as many files as a base has.
func BenchmarkUnpack(b *testing.B) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip(err)
	}
	src := os.DirFS(filepath.Join(strings.TrimSpace(string(goroot)), "src"))
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
