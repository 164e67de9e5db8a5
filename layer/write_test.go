package layer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
)

var update = flag.Bool("update", false, "rewrite golden files")

// wheelLike holds every kind of file that Write tells apart.
func wheelLike(t testing.TB) *zipTree {
	files := map[string][]byte{
		"usr/local/lib/python3.12/dist-packages/vllm/__init__.py":             text(1, 300),
		"usr/local/lib/python3.12/dist-packages/vllm/empty.py":                {},
		"usr/local/lib/python3.12/dist-packages/vllm/_C.abi3.so":              text(2, 700<<10),
		"usr/local/lib/python3.12/dist-packages/vllm/noise.bin":               noise(3, 100<<10),
		"usr/local/lib/python3.12/dist-packages/vllm/stored.cubin":            noise(4, 1200<<10),
		"usr/local/lib/python3.12/dist-packages/vllm/stored.txt":              text(5, 80<<10),
		"usr/local/lib/python3.12/dist-packages/vllm-0.22.1.dist-info/RECORD": text(6, 20<<10),
		"usr/local/bin/vllm": text(7, 512),
	}
	for i := range 60 {
		files[fmt.Sprintf("usr/local/lib/python3.12/dist-packages/vllm/models/m%03d.py", i)] = text(uint64(i), 150*i)
	}
	return newZipTree(t, files,
		"usr/local/lib/python3.12/dist-packages/vllm/stored.cubin",
		"usr/local/lib/python3.12/dist-packages/vllm/stored.txt")
}

func write(t testing.TB, tree fs.FS, opt layer.Options) *layer.Blob {
	t.Helper()
	b, err := layer.Write(t.Context(), t.TempDir(), tree, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWriteIsAValidLayer(t *testing.T) {
	t.Parallel()
	tree := wheelLike(t)
	for _, compression := range []string{layer.Gzip, layer.GzipRecompress, layer.Zstd, layer.None} {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			b := write(t, tree, layer.Options{Compression: compression, Comment: "a.whl b.whl"})
			// validate knows gzip alone.
			if compression == layer.Gzip || compression == layer.GzipRecompress {
				if err := validate.Layer(b); err != nil {
					t.Error(err)
				}
			}
			checkHashes(t, b)
			checkContent(t, b, tree)
		})
	}
}

// checkHashes takes digest, diffID and sizes again from the finished bytes.
func checkHashes(t *testing.T, b *layer.Blob) {
	t.Helper()
	type facts struct {
		Hash v1.Hash
		Size int64
	}
	hash := func(open func() (io.ReadCloser, error)) facts {
		rc, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		h, n, err := v1.SHA256(rc)
		if err != nil {
			t.Fatal(err)
		}
		return facts{h, n}
	}
	digest, _ := b.Digest()
	diffID, _ := b.DiffID()
	size, _ := b.Size()
	tarSize, _ := b.UncompressedSize()
	if diff := cmp.Diff(hash(b.Compressed), facts{digest, size}); diff != "" {
		t.Errorf("compressed (-bytes +said):\n%s", diff)
	}
	if diff := cmp.Diff(hash(b.Uncompressed), facts{diffID, tarSize}); diff != "" {
		t.Errorf("uncompressed (-bytes +said):\n%s", diff)
	}
}

// checkContent compares what the layer's tar holds with the tree, file by file.
func checkContent(t *testing.T, b *layer.Blob, tree fs.FS) {
	t.Helper()
	rc, err := b.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	seen := map[string]bool{}
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		got, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		want, err := fs.ReadFile(tree, h.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes in the layer differ from %d in the tree", h.Name, len(got), len(want))
		}
		seen[h.Name] = true
	}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !seen[name] {
			t.Errorf("%s is not in the layer", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteSameBytesAtAnyJobs(t *testing.T) {
	t.Parallel()
	tree := wheelLike(t)
	for _, compression := range []string{layer.Gzip, layer.GzipRecompress, layer.Zstd, layer.None} {
		want, _ := write(t, tree, layer.Options{Compression: compression, Jobs: 1}).Digest()
		for _, jobs := range []int{2, 16} {
			got, _ := write(t, tree, layer.Options{Compression: compression, Jobs: jobs}).Digest()
			if got != want {
				t.Errorf("%s: %s with %d jobs, %s with one", compression, got, jobs, want)
			}
		}
	}
}

// TestWriteGoldenDigest fails when any byte of a layer changes: then every
// user's layers change too, so it must be meant.
func TestWriteGoldenDigest(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{"a/b.py": text(1, 4000), "a/c.so": text(2, 1<<20), "a/d.bin": noise(1, 1300<<10)}
	tree := newZipTree(t, files, "a/d.bin")
	got := map[string]string{}
	for _, compression := range []string{layer.Gzip, layer.GzipRecompress, layer.Zstd, layer.None} {
		h, _ := write(t, tree, layer.Options{Compression: compression}).Digest()
		got[compression] = h.String()
	}
	file := filepath.Join("..", "testdata", "golden", "layer_digests.json")
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var want map[string]string
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("digests (-golden +got):\n%s", diff)
	}
}

// TestWriteCarriesDeflateStreams looks for the wheel's own bytes in the blob:
// of streams that are read at once, and in several pieces.
func TestWriteCarriesDeflateStreams(t *testing.T) {
	t.Parallel()
	tree := newZipTree(t, map[string][]byte{"text.so": text(1, 300<<10), "noise.so": noise(2, 700<<10)})
	blob, err := os.ReadFile(write(t, tree, layer.Options{}).Path())
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range tree.members {
		raw, err := m.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(raw)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(blob, want) {
			t.Errorf("the blob does not hold the deflate stream of %s", name)
		}
	}
	// Every reader of gzip must find the end of each member by itself.
	zr, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, zr); err != nil {
		t.Error(err)
	}
}

func TestWriteEntries(t *testing.T) {
	t.Parallel()
	long := "lib/" + string(bytes.Repeat([]byte("long-name/"), 30)) + "x"
	tree := fstest.MapFS{
		"bin/tool":      {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"lib/numpy/x":   {Data: []byte("x"), Mode: 0o644},
		"lib/numpy-1/y": {Data: []byte("y"), Mode: 0o644},
		"usr/bin/other": {Data: []byte("o"), Mode: 0o755 | fs.ModeSetuid},
		"usr/bin/link":  {Data: []byte("other"), Mode: fs.ModeSymlink | 0o777},
		"tmp/a":         {Data: []byte("a"), Mode: 0o600},
		"sp\u00e9cial":  {Mode: 0o644},
		long:            {Data: []byte("l"), Mode: 0o644},
	}
	for _, dir := range []string{"usr", "usr/bin", "lib/numpy", "lib/numpy-1"} {
		tree[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	b := write(t, tree, layer.Options{
		Links: map[string]string{"bin": "usr/bin", "lib": "usr/lib"},
		Dirs:  map[string]layer.Dir{"tmp": {Mode: 0o1777}, "usr/lib": {Mode: 0o2775, GID: 50}},
	})
	want := []string{
		"PAX 0644 0:0 sp\u00e9cial",
		"USTAR 1777 0:0 tmp/",
		"USTAR 0600 0:0 tmp/a",
		"USTAR 0755 0:0 usr/",
		"USTAR 0755 0:0 usr/bin/",
		"USTAR 0777 0:0 usr/bin/link -> other",
		"USTAR 4755 0:0 usr/bin/other",
		"USTAR 0755 0:0 usr/bin/tool",
		"USTAR 2775 0:50 usr/lib/",
	}
	got := listing(t, b)
	if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	tail := got[len(got)-4:]
	wantTail := []string{
		"USTAR 0755 0:0 usr/lib/numpy-1/",
		"USTAR 0644 0:0 usr/lib/numpy-1/y",
		"USTAR 0755 0:0 usr/lib/numpy/",
		"USTAR 0644 0:0 usr/lib/numpy/x",
	}
	if diff := cmp.Diff(wantTail, tail); diff != "" {
		t.Errorf("last entries (-want +got):\n%s", diff)
	}
}

func listing(t *testing.T, b *layer.Blob) []string {
	t.Helper()
	rc, err := b.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var lines []string
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(layer.Epoch) {
			t.Errorf("%s: mtime %s", h.Name, h.ModTime)
		}
		line := fmt.Sprintf("%v %04o %d:%d %s", h.Format, h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		lines = append(lines, line)
	}
}
