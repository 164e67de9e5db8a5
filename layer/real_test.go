package layer_test

import (
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/sparkwheel/sparkwheel/layer"
)

// zeros is a tree of one file of zeros, larger than a zip's or gzip's 32 bits,
// deflated or not.
type zeros struct {
	size int64
	raw  string // a file that holds its deflate stream; empty offers none
	crc  uint32
}

func (z zeros) Open(name string) (fs.File, error) {
	switch name {
	case ".":
		return &zeroDir{zeroFile: zeroFile{tree: z, name: "."}}, nil
	case "zeros":
		return &zeroFile{tree: z, name: name, Reader: io.LimitReader(zeroReader{}, z.size)}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type zeroFile struct {
	io.Reader
	tree zeros
	name string
	raw  *os.File
}

func (f *zeroFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *zeroFile) Info() (fs.FileInfo, error) { return f, nil }
func (f *zeroFile) Type() fs.FileMode          { return f.Mode().Type() }
func (f *zeroFile) Name() string               { return path.Base(f.name) }
func (f *zeroFile) Size() int64                { return f.tree.size }
func (f *zeroFile) ModTime() time.Time         { return time.Time{} }
func (f *zeroFile) IsDir() bool                { return f.name == "." }
func (f *zeroFile) Sys() any                   { return nil }

func (f *zeroFile) Mode() fs.FileMode {
	if f.IsDir() {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (f *zeroFile) Close() error {
	if f.raw != nil {
		return f.raw.Close()
	}
	return nil
}

func (f *zeroFile) Deflate() (io.Reader, uint32, []byte, error) {
	if f.tree.raw == "" {
		return nil, 0, nil, errors.ErrUnsupported
	}
	raw, err := os.Open(f.tree.raw)
	f.raw = raw
	return raw, f.tree.crc, nil, err
}

type zeroDir struct {
	zeroFile
	read bool
}

func (d *zeroDir) ReadDir(int) ([]fs.DirEntry, error) {
	if d.read {
		return nil, io.EOF
	}
	d.read = true
	return []fs.DirEntry{&zeroFile{tree: d.tree, name: "zeros"}}, nil
}

// TestReal4GiB writes a file of more than 4 GiB in every way in little memory.
func TestReal4GiB(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		t.Skip("SPARKWHEEL_E2E_REAL is not set: files of 4 GiB are not written")
	}
	z := zeros{size: 1<<32 + 1}
	raw, crc := deflateZeros(t, z.size)
	deflated := zeros{size: z.size, raw: raw, crc: crc}
	for _, c := range []struct {
		name string
		tree zeros
		opt  layer.Options
	}{
		{"stored", z, layer.Options{}},
		{"deflated", deflated, layer.Options{}},
		{"deflated, recompressed", deflated, layer.Options{Compression: layer.GzipRecompress, Level: 9}},
		{"deflated, zstd", deflated, layer.Options{Compression: layer.Zstd}},
		{"deflated, zstd 19", deflated, layer.Options{Compression: layer.Zstd, Level: 19}},
		{"deflated, twenty jobs", deflated, layer.Options{Jobs: 20}},
		{"stored, zstd, twenty jobs", z, layer.Options{Compression: layer.Zstd, Jobs: 20}},
	} {
		runtime.GC()
		debug.FreeOSMemory()
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			t.Skipf("the peak of memory cannot be measured here: %v", err)
		}
		start := time.Now()
		blob := write(t, c.tree, c.opt)
		peakMB := peak(t)
		t.Logf("%s: peak %.0f MB, %.1f s", c.name, peakMB, time.Since(start).Seconds())
		if peakMB > 150 {
			t.Errorf("%s: writing took %.0f MB of memory", c.name, peakMB)
		}
		checkHashes(t, blob)
	}
}

func deflateZeros(t *testing.T, size int64) (file string, crc uint32) {
	t.Helper()
	f, err := os.Create(path.Join(t.TempDir(), "raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := flate.NewWriter(f, 1)
	if err != nil {
		t.Fatal(err)
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyBuffer(io.MultiWriter(w, sum), io.LimitReader(zeroReader{}, size), make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name(), sum.Sum32()
}
