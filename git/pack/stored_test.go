package pack_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// zlibOf is zlib data that begins with the blocks given and ends with a stored
// one of text.
func zlibOf(blocks, text string) string {
	b := binary.LittleEndian.AppendUint16([]byte("\x78\x01"+blocks+"\x01"), uint16(len(text)))
	b = append(binary.LittleEndian.AppendUint16(b, ^uint16(len(text))), text...)
	return string(binary.BigEndian.AppendUint32(b, adler32.Checksum([]byte(text))))
}

// onePack is a pack of one object.
func onePack(head byte, data string) []byte {
	packed := append([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"), head)
	packed = append(packed, data...)
	sum := sha1.Sum(packed)
	return append(packed, sum[:]...)
}

// indexed stores a pack in a directory of its own.
func indexed(t testing.TB, packed []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := pack.Index(t.Context(), bytes.NewReader(packed), dir, pack.Options{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func theOne(t testing.TB, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	return files[0]
}

// readable reads every object that the index names, which checks its hash.
func readable(t testing.TB, dir string) {
	t.Helper()
	s, err := pack.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.Prefix("")
	if err != nil || len(names) == 0 {
		t.Errorf("%d objects, %v", len(names), err)
	}
	for _, h := range names {
		if _, _, err := s.Read(h); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Blobs that come whole stand in the pack as they are, so that reading them is
// copying; git finds nothing wrong with it. A bomb stays as small as it came.
func TestIndexStoresBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gitIn(t, dir, "", "init", "-q")
	bomb := strings.Repeat("a", 1<<20)
	var text strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&text, "line %d\n", i*i)
	}
	texts := map[string]string{"empty": "", "one": "x", "text": text.String(), "bomb": bomb}
	var names []string
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSpace(gitIn(t, dir, "", "hash-object", "-w", name)))
	}
	packed := []byte(gitIn(t, dir, strings.Join(names, "\n"), "pack-objects", "-q", "--stdout", "--window=0"))
	store := indexed(t, packed)
	readAll(t, store, names)
	file := theOne(t, store+"/*.pack")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range texts {
		// The first block of 65,535 bytes at most is found as it is.
		if there := bytes.Contains(kept, []byte(text)[:min(len(text), 65_535)]); there != (name != "bomb") {
			t.Errorf("%s is there as it is: %t", name, there)
		}
	}
	if grown := len(kept) / len(packed); grown > 16 {
		t.Errorf("the pack is %d times as large as what came", grown)
	}
	gitIn(t, store, "", "index-pack", "--strict", file, "-o", filepath.Join(t.TempDir(), "a.idx"))
	repo := t.TempDir()
	gitIn(t, repo, "", "init", "-q", "--bare")
	if err := os.CopyFS(filepath.Join(repo, "objects", "pack"), os.DirFS(store)); err != nil {
		t.Fatal(err)
	}
	gitIn(t, repo, "", "fsck", "--full", "--strict")
	for _, h := range names {
		gitIn(t, repo, "", "cat-file", "blob", h)
	}
}

// Packs that git itself wrote, or an older sparkwheel, are read all the same,
// whatever blocks their zlib data is made of.
func TestStoreReadsAnyCompression(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"0", "1", "6", "9"} {
		packed, names := samplePack(t, 140_000, "--compression="+level, "--no-reuse-object")
		dir := t.TempDir()
		name := filepath.Join(dir, "pack-1.pack")
		if err := os.WriteFile(name, packed, 0o644); err != nil {
			t.Fatal(err)
		}
		gitIn(t, dir, "", "index-pack", name)
		readAll(t, dir, names)
	}
	// Stored blocks first, then others: what zlib makes of noise before text.
	noise, text := "0123456789", strings.Repeat("text ", 100)
	var tail bytes.Buffer
	z := zlib.NewWriter(&tail)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := "\x78\x01\x00\x0a\x00\xf5\xff" + noise + tail.String()[2:tail.Len()-4]
	data += string(binary.BigEndian.AppendUint32(nil, adler32.Checksum([]byte(noise+text))))
	size := len(noise + text)
	head := string([]byte{0x80 | 0x30 | byte(size&15), byte(size >> 4)})
	dir := t.TempDir()
	name := filepath.Join(dir, "pack-1.pack")
	if err := os.WriteFile(name, onePack(head[0], head[1:]+data), 0o644); err != nil {
		t.Fatal(err)
	}
	gitIn(t, dir, "", "index-pack", name)
	readAll(t, dir, []string{plumbing.ComputeHash(plumbing.BlobObject, []byte(noise+text)).String()})
}

// harmless reads all objects of a pack that may be damaged, and reports whether
// damage was found. What comes back or is written is right, or nothing.
func harmless(t *testing.T, dir string, names []string) (found bool) {
	s, err := pack.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range names {
		h := plumbing.NewHash(name)
		kind, content, err := s.Read(h)
		if err == nil && plumbing.ComputeHash(kind, content) != h {
			t.Fatalf("%s came back with another content", name)
		}
		var out bytes.Buffer
		if _, werr := s.WriteBlob(&out, h); werr != nil && out.Len() > 0 {
			t.Fatalf("%s was written, and then %v", name, werr)
		} else if werr == nil && plumbing.ComputeHash(plumbing.BlobObject, out.Bytes()) != h {
			t.Fatalf("%s was written with another content", name)
		}
		if err != nil {
			if _, ok := errors.AsType[*pack.DamagedError](err); !ok {
				t.Fatal(err)
			}
			found = true
		}
	}
	return found
}

// A pack that is damaged on disk is found out by whoever reads it; only a bit
// that makes no difference to any object may pass.
func TestStoreFindsDamage(t *testing.T) {
	t.Parallel()
	packed, names := samplePack(t, 5000, "--delta-base-offset")
	dir := indexed(t, packed)
	file := theOne(t, dir+"/*.pack")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	noticed := 0
	for i := 20; i < len(kept)-20; i += len(kept) / 100 {
		damaged := bytes.Clone(kept)
		damaged[i] ^= 4
		if err := os.WriteFile(file, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if harmless(t, dir, names) {
			noticed++
		}
	}
	if noticed < 90 {
		t.Errorf("of some 100 damaged packs, %d were noticed", noticed)
	}
	for _, size := range []int{0, 12, 13, 100, len(kept) / 2} {
		if err := os.WriteFile(file, kept[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		if !harmless(t, dir, names) {
			t.Errorf("a pack cut at %d bytes passed", size)
		}
	}
}

// FuzzStore reads a pack that is anything by an index that is right.
func FuzzStore(f *testing.F) {
	packed, names := samplePack(f, 3000)
	dir := indexed(f, packed)
	kept, err := os.ReadFile(theOne(f, dir+"/*.pack"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	f.Add(packed)
	f.Add(kept[:len(kept)/2])
	f.Add(bytes.ReplaceAll(kept, []byte("\x78\x01\x01"), []byte("\x78\x01\x00"))) // no last block
	f.Add(bytes.Repeat([]byte("\xbf\xff\xff\xff\x7f\x78\x01\x00\x00\x00\xff\xff"), 1000))
	f.Fuzz(func(t *testing.T, data []byte) {
		here := t.TempDir()
		if err := os.CopyFS(here, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		file := theOne(t, here+"/*.pack")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		harmless(t, here, names)
	})
}
