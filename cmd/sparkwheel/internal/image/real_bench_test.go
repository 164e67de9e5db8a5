package image

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// real skips unless gigabytes and minutes are allowed.
func real(tb testing.TB) {
	tb.Helper()
	if os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		tb.Skip("set SPARKWHEEL_E2E_REAL=1: this takes minutes, gigabytes and the usual tools")
	}
}

// realSet is the runtime of vLLM 0.24.0 on a GB10.
const realSet = "vllm==0.24.0\ntorch==2.11.0\nflashinfer-python==0.6.12\nflashinfer-cubin==0.6.12\n"

// realCorpus locks the real set with uv and brings its wheels, 4 GB, into the
// directory SPARKWHEEL_WHEELS, or a temporary one.
func realCorpus(b *testing.B) *corpus {
	b.Helper()
	const version = "3.12"
	uv, err := exec.LookPath("uv")
	if err != nil {
		b.Skip("uv is not installed: pip install uv==0.13.9")
	}
	dir := os.Getenv("SPARKWHEEL_WHEELS")
	if dir == "" {
		dir = scratch(b)
	}
	work := scratch(b)
	in, lock := filepath.Join(work, "in.txt"), filepath.Join(work, "pylock.real.toml")
	if err := os.WriteFile(in, []byte(realSet), 0o644); err != nil {
		b.Fatal(err)
	}
	tool(b, work, uv, "--quiet", "pip", "compile", "--no-header", "--format", "pylock.toml", "--only-binary", ":all:", "--no-python-downloads",
		"--python-platform", "aarch64-manylinux_2_39", "--python", "/usr/bin/python3", "--python-version", version, in, "--output-file", lock)
	text, err := os.ReadFile(lock)
	if err != nil {
		b.Fatal(err)
	}
	p, err := index.ParsePylock(lock, text)
	if err != nil {
		b.Fatal(err)
	}
	pins, err := p.Select(wheel.Supported(version, wheel.Platforms(39, "aarch64")), marker.Linux(version, "aarch64"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := new(index.Client).Fetch(b.Context(), pins, dir, 4, nil); err != nil {
		b.Fatal(err)
	}
	var paths []string
	for _, pin := range pins {
		path := filepath.Join(work, pin.File)
		if err := os.Symlink(pin.Path(dir), path); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	s := install.Debian(version)
	s.Over = []install.Over{
		{Winner: "nvidia-cutlass-dsl-libs-cu13", Loser: "nvidia-cutlass-dsl-libs-base"},
		{Winner: "flashinfer-python", Loser: "torch-c-dlpack-ext"},
	}
	return newCorpus(b, paths, s)
}

// BenchmarkMade holds the made corpus against the usual paths, three rounds.
func BenchmarkMade(b *testing.B) {
	bin, c := findTools(b), newCorpus(b, makeCorpus(b, scratch(b)), install.Debian("3.12"))
	c.compare(b, 3, func(t *table) {
		appended, pip := c.usual(b, t, bin), c.pip(b)
		t.add("  pip install --target", pip)
		t.add("pip install, tar, crane append", pip.plus(appended))
	})
}

// BenchmarkRealRuntimeSet holds the real set against the usual path, once.
func BenchmarkRealRuntimeSet(b *testing.B) {
	real(b)
	bin, c := findTools(b), realCorpus(b)
	c.compare(b, 1, func(t *table) { c.usual(b, t, bin) })
}

// BenchmarkRealRuntimeSetPip holds it against pip's part of the other, which
// takes minutes by itself.
func BenchmarkRealRuntimeSetPip(b *testing.B) {
	real(b)
	c := realCorpus(b)
	c.compare(b, 1, func(t *table) { t.add("pip install --target alone", c.pip(b)) })
}

// BenchmarkRealLinear makes images of ever more of the real set: what a
// gigabyte costs must not grow.
func BenchmarkRealLinear(b *testing.B) {
	real(b)
	whole := realCorpus(b)
	for _, limit := range []int64{300 << 20, 1 << 30, 3 << 30, 1 << 62} {
		var paths []string
		var size int64
		for _, m := range slices.SortedFunc(slices.Values(whole.members), func(a, b Member) int { return int(a.Size - b.Size) }) {
			one := newCorpus(b, []string{m.Path}, whole.scheme)
			if size+one.unpacked > limit {
				continue
			}
			paths, size = append(paths, m.Path), size+one.unpacked
		}
		c := newCorpus(b, paths, whole.scheme)
		took := c.timed(b, func(ctx context.Context, dir string) error {
			_, err := c.image(ctx, dir)
			return err
		})
		b.Logf("%v: %.2f s, %.2f cpu-s, peak %.0f MB; %.2f s and %.2f cpu-s a GB", c, took.seconds, took.cpu, took.peakMB,
			took.seconds*1e9/float64(c.unpacked), took.cpu*1e9/float64(c.unpacked))
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkOneChanged builds the made corpus, then again with one wheel of
// forty changed: the image differs in that wheel's layer alone.
func BenchmarkOneChanged(b *testing.B) {
	dir := scratch(b)
	paths := makeCorpus(b, dir)
	t, before := new(table), newCorpus(b, paths, install.Debian("3.12"))
	for range 3 {
		work := scratch(b)
		var first, second v1.Image
		make := func(c *corpus, img *v1.Image) cost {
			return measured(b, func() (err error) {
				*img, err = c.image(b.Context(), work)
				return err
			})
		}
		t.add("all of it", make(before, &first))
		changed := scratch(b)
		again := slices.Clone(paths)
		again[7] = filepath.Join(changed, filepath.Base(paths[7]))
		repacked(b, paths[7], again[7])
		t.add("one wheel changed", make(newCorpus(b, again, before.scheme), &second))
		if n := added(b, first, second); n != 1 {
			b.Errorf("%d layers are new, one wheel changed", n)
		}
		removed(b, work)
	}
	t.log(b, before.String(), "one wheel changed")
}

// repacked writes a wheel with its members compressed anew, at another level:
// the same files in other bytes.
func repacked(b *testing.B, from, to string) {
	b.Helper()
	r, err := zip.OpenReader(from)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	w := zip.NewWriter(out)
	for _, f := range r.File {
		content, err := f.Open()
		if err != nil {
			b.Fatal(err)
		}
		member, err := w.Create(f.Name)
		if err == nil {
			_, err = io.Copy(member, content)
		}
		if err := errors.Join(err, content.Close()); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		b.Fatal(err)
	}
}

// added counts the layers of second that first lacks.
func added(b *testing.B, first, second v1.Image) (n int) {
	b.Helper()
	m, err := second.Manifest()
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range m.Layers {
		if _, err := first.LayerByDigest(l.Digest); err != nil {
			n++
		}
	}
	return n
}
