package layer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/sparkwheel/sparkwheel/layer"
)

// refused writes tree, wants an error that says each word, and nothing left of
// a layer.
func refused(t *testing.T, tree fs.FS, opt layer.Options, words ...string) {
	t.Helper()
	dir := t.TempDir()
	_, err := layer.Write(t.Context(), dir, tree, opt)
	if err == nil {
		t.Fatal("the layer was written")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := layer.Open(dir); !errors.Is(err, layer.ErrNoBlob) {
		t.Errorf("opening what was refused: %v", err)
	}
}

func TestWriteChecksDeflateStreams(t *testing.T) {
	t.Parallel()
	content := text(1, 400<<10)
	read := func(m *member) []byte {
		b, err := io.ReadAll(m.raw)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := map[string]struct {
		spoil func(*member)
		words string
	}{
		"CRC":        {func(m *member) { m.crc++ }, "CRC-32"},
		"SHA-256":    {func(m *member) { m.sha256 = sum([]byte("other")) }, "SHA-256"},
		"cut":        {func(m *member) { m.raw = io.LimitReader(m.raw, 5000) }, "unexpected EOF"},
		"empty":      {func(m *member) { m.raw = strings.NewReader("") }, "EOF"},
		"more bytes": {func(m *member) { m.raw = bytes.NewReader(append(read(m), 0)) }, "bytes follow"},
		"flipped":    {func(m *member) { b := read(m); b[len(b)/2] ^= 0x40; m.raw = bytes.NewReader(b) }, ""},
		"unreadable": {func(m *member) { m.raw = io.MultiReader(io.LimitReader(m.raw, 5000), iotest.ErrReader(errRead)) }, errRead.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := newZipTree(t, map[string][]byte{"a/spoiled.so": content, "b/good.so": text(2, 400<<10)})
			tree.spoil["a/spoiled.so"] = tt.spoil
			refused(t, tree, layer.Options{}, "a/spoiled.so", tt.words)
		})
	}
	tree := newZipTree(t, map[string][]byte{"a.so": content})
	tree.spoil["a.so"] = func(m *member) { m.sha256 = sum(content) }
	write(t, tree, layer.Options{})
}

// lyingInfo is a tree whose one file says a size that it does not have.
type lyingInfo struct {
	*zipTree
	size int64
}

type lyingEntry struct {
	fs.DirEntry
	size int64
}

func (l lyingInfo) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := l.zipTree.ReadDir(name)
	for i, d := range list {
		list[i] = lyingEntry{d, l.size}
	}
	return list, err
}

func (l lyingEntry) Info() (fs.FileInfo, error) {
	info, err := l.DirEntry.Info()
	return lyingFileInfo{info, l.size}, err
}

type lyingFileInfo struct {
	fs.FileInfo
	size int64
}

func (l lyingFileInfo) Size() int64 { return l.size }

func TestWriteChecksSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 50 << 10, 600 << 10} {
		for _, off := range []int{-50, 50} {
			for _, stored := range []string{"x", ""} {
				tree := newZipTree(t, map[string][]byte{"x": text(1, size)}, stored)
				words := []string{"x", fmt.Sprint(size + off)}
				if off > 0 {
					words = append(words, fmt.Sprint(size)) // what it holds
				}
				refused(t, lyingInfo{tree, int64(size + off)}, layer.Options{}, words...)
			}
		}
	}
}

func TestWriteRefusesTrees(t *testing.T) {
	t.Parallel()
	links := layer.Options{Links: map[string]string{"bin": "usr/bin"}}
	tests := map[string]struct {
		tree  fs.FS
		opt   layer.Options
		words []string
	}{
		"a device":                           {fstest.MapFS{"dev/null": {Mode: fs.ModeDevice | fs.ModeCharDevice}}, layer.Options{}, []string{"dev/null"}},
		"a socket":                           {fstest.MapFS{"run/s": {Mode: fs.ModeSocket}}, layer.Options{}, []string{"run/s"}},
		"two files for one name":             {mapTree(map[string]string{"bin/x": "1", "usr/bin/x": "2"}), links, []string{"usr/bin/x", "bin/x"}},
		"a file in place of the base's link": {mapTree(map[string]string{"bin": "1"}), links, []string{"bin"}},
		"a directory and a file":             {mapTree(map[string]string{"bin/x/y": "1", "usr/bin/x": "2"}), links, []string{"usr/bin/x"}},
		"links in a circle":                  {mapTree(map[string]string{"a/x": "1"}), layer.Options{Links: map[string]string{"a": "b", "b": "a"}}, []string{"loop"}},
		"a link that leads out":              {mapTree(map[string]string{"a/x": "1"}), layer.Options{Links: map[string]string{"a": ".."}}, []string{"link", ".."}},
		"an absolute link":                   {mapTree(map[string]string{"a/x": "1"}), layer.Options{Links: map[string]string{"a": "/b"}}, []string{"link", "/b"}},
		"a compression unknown":              {fstest.MapFS{}, layer.Options{Compression: "lzma"}, []string{"lzma"}},
		"a level for splicing":               {fstest.MapFS{}, layer.Options{Level: 9}, []string{"level"}},
		"no such tree":                       {os.DirFS("/nonexistent"), layer.Options{}, []string{"stat"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, tt.tree, tt.opt, tt.words...)
		})
	}
}

// cancelling ends the run as the file m is opened.
type cancelling struct {
	fs.FS
	cancel context.CancelFunc
}

func (c cancelling) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if name == "m" {
		c.cancel()
	}
	return f, err
}

func TestWriteStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tree := mapTree(map[string]string{"a": "a", "m": string(noise(1, 2<<20)), "z": string(noise(2, 2<<20))})
	dir := t.TempDir()
	if _, err := layer.Write(ctx, dir, cancelling{tree, cancel}, layer.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled write: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := mapTree(map[string]string{"a": "a"})
	b, err := layer.Write(t.Context(), dir, tree, layer.Options{Comment: "a.whl"})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := layer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := b.Descriptor()
	got, _ := opened.Descriptor()
	if got.Digest != want.Digest || opened.Comment() != "a.whl" || opened.Files() != 1 {
		t.Errorf("opened %v, wrote %v", got, want)
	}
	// A second write of something else replaces the first.
	again, err := layer.Write(t.Context(), dir, mapTree(map[string]string{"b": "b"}), layer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if opened, err = layer.Open(dir); err != nil {
		t.Fatal(err)
	}
	if d, _ := opened.Digest(); d == want.Digest {
		t.Error("the old layer is still there")
	}
	for name, damage := range map[string]func() error{
		"cut blob":  func() error { return os.Truncate(again.Path(), 10) },
		"no blob":   func() error { return os.Remove(again.Path()) },
		"bad words": func() error { return os.WriteFile(dir+"/layer.json", []byte("{"), 0o644) },
		"no words":  func() error { return os.Remove(dir + "/layer.json") },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Open(dir); !errors.Is(err, layer.ErrNoBlob) {
			t.Errorf("%s: %v", name, err)
		}
		if again, err = layer.Write(t.Context(), dir, tree, layer.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}
