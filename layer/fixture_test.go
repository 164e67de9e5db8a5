package layer_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"testing/fstest"
)

// zipTree is a tree as a wheel gives it: the members of a zip, the deflated
// ones with their raw streams.
type zipTree struct {
	fs.FS
	members map[string]*zip.File
	spoil   map[string]func(*member)
}

// member is an open file of a zipTree.
type member struct {
	fs.File
	raw     io.Reader
	crc     uint32
	sha256  []byte
	deflate bool
}

func (m *member) Deflate() (io.Reader, uint32, []byte, error) {
	if !m.deflate {
		return nil, 0, nil, errors.ErrUnsupported
	}
	return m.raw, m.crc, m.sha256, nil
}

func (z *zipTree) Open(name string) (fs.File, error) {
	f, err := z.FS.Open(name)
	zf := z.members[name]
	if err != nil || zf == nil {
		return f, err
	}
	raw, err := zf.OpenRaw()
	if err != nil {
		return nil, err
	}
	m := &member{File: f, raw: raw, crc: zf.CRC32, deflate: zf.Method == zip.Deflate}
	if spoil := z.spoil[name]; spoil != nil {
		spoil(m)
	}
	return m, nil
}

func (z *zipTree) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(z.FS, name) }

// newZipTree packs files into a zip, those in stored without compression.
func newZipTree(t testing.TB, files map[string][]byte, stored ...string) *zipTree {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, 6)
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if slices.Contains(stored, name) {
			h.Method = zip.Store
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for _, dir := range parents(files) {
		tree[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: content, Mode: 0o644}
	}
	z := &zipTree{FS: tree, members: map[string]*zip.File{}, spoil: map[string]func(*member){}}
	for _, f := range r.File {
		z.members[f.Name] = f
	}
	return z
}

// parents are the directories that lead to files.
func parents(files map[string][]byte) []string {
	dirs := map[string]bool{}
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

// text is content that compresses about as code does, the same for a seed.
func text(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	line := noise(seed, 32<<10)
	b := make([]byte, 0, size+64)
	for len(b) < size {
		i, n := r.IntN(len(line)-64), 3+r.IntN(40)
		b = append(b, "    self."...)
		b = append(b, line[i:i+n]...)
	}
	return b[:size]
}

// noise is content that does not compress.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

func mapTree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return m
}
