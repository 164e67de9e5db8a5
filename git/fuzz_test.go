package git

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // what git names objects by
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// graph is a set of objects, each of which names only those before it.
type graph struct {
	kinds  []plumbing.ObjectType
	bodies [][]byte
	hashes []plumbing.Hash
}

func (g *graph) add(kind plumbing.ObjectType, body []byte) plumbing.Hash {
	h := plumbing.ComputeHash(kind, body)
	g.kinds, g.bodies, g.hashes = append(g.kinds, kind), append(g.bodies, body), append(g.hashes, h)
	return h
}

// pack is the graph as a packfile; an object that is there twice stands once.
func (g *graph) pack() []byte {
	var b bytes.Buffer
	seen := map[plumbing.Hash]bool{}
	count := 0
	for i, body := range g.bodies {
		if seen[g.hashes[i]] {
			continue
		}
		seen[g.hashes[i]] = true
		count++
		size := len(body)
		head := byte(g.kinds[i])<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b.WriteByte(head | 0x80)
			head = byte(size & 0x7f)
		}
		b.WriteByte(head)
		z := zlib.NewWriter(&b)
		z.Write(body) // into memory
		z.Close()
	}
	out := append([]byte("PACK\x00\x00\x00\x02"), binary.BigEndian.AppendUint32(nil, uint32(count))...)
	out = append(out, b.Bytes()...)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

// fuzzed reads a graph out of bytes: a byte says how many entries the next
// object has (none: a blob of what follows), each entry is a byte for its mode,
// one for the object before that it names, one for the length of its name, and
// the name. The last tree is the commit's.
func fuzzed(in []byte) (g *graph, root plumbing.Hash) {
	g = new(graph)
	root = g.add(plumbing.TreeObject, nil)
	g.add(plumbing.BlobObject, []byte("content\n"))
	next := func() byte {
		if len(in) == 0 {
			return 0
		}
		b := in[0]
		in = in[1:]
		return b
	}
	text := func(n int) []byte {
		n = min(n, len(in))
		s := in[:n]
		in = in[n:]
		return s
	}
	modes := []string{"40000", "40000", "100644", "100755", "120000", "100664", "160000", "040000", "20644"}
	for len(in) > 0 && len(g.bodies) < 64 {
		entries := int(next() % 12)
		if entries == 0 {
			g.add(plumbing.BlobObject, text(int(next())))
			continue
		}
		var body []byte
		for range entries {
			mode := modes[int(next())%len(modes)]
			h := g.hashes[int(next())%len(g.hashes)]
			name := text(int(next()))
			body = append(append(append(append(body, mode...), ' '), name...), 0)
			body = append(body, h[:]...)
		}
		root = g.add(plumbing.TreeObject, body)
	}
	return g, root
}

// seed is the inverse of what fuzzed reads of one tree.
func seed(trees ...[]string) []byte {
	var b []byte
	for _, entries := range trees {
		b = append(b, byte(len(entries)))
		for _, e := range entries { // mode and object as characters from '0', then the name
			b = append(b, e[0]-'0', e[1]-'0', byte(len(e)-2))
			b = append(b, e[2:]...)
		}
	}
	return b
}

// FuzzCheckout writes trees of any shape. What is refused leaves nothing; what
// is written hashes to what was asked for, stays below its directory and within
// the limits.
func FuzzCheckout(f *testing.F) {
	f.Add(seed([]string{"21f", "31run", "41link"}, []string{"02d", "12e"}))
	f.Add(seed([]string{"21a"}, []string{"02a", "02b", "02c"}, []string{"03a", "03b", "03c"}, []string{"04a", "04b", "04c"}))
	f.Add(seed([]string{"41a", "01a"}))
	f.Add(seed([]string{"21.git"}, []string{"02deep"}))
	f.Add(seed([]string{"21.."}))
	f.Add(seed([]string{"21a/b"}))
	f.Add(seed([]string{"61sub", "21.gitmodules"}))
	f.Add(seed([]string{"21" + strings.Repeat("a", 200)}, []string{"02" + strings.Repeat("b", 200)}))
	f.Fuzz(func(t *testing.T, in []byte) {
		g, root := fuzzed(in)
		commit := g.add(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nx\n", root))
		m := &Mirrors{Dir: t.TempDir()}
		const url = "https://h.example/x"
		repo, err := m.mirror(url)
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.addPack(t.Context(), bytes.NewReader(g.pack()), pack.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(repo.markWhole(commit), repo.close()); err != nil {
			t.Fatal(err)
		}
		m.Offline = true
		parent := t.TempDir()
		limits := Limits{Paths: 500, Bytes: 64 << 10, Depth: 12}
		opt := CheckoutOptions{Verify: true, Jobs: 1, Limits: limits}
		tree, err := m.Checkout(t.Context(), url, Commit{Hash: commit.String()}, filepath.Join(parent, "tree"), opt, io.Discard)
		left, readErr := os.ReadDir(parent)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if len(left) > 0 {
				t.Fatalf("%v left %v", err, left)
			}
			return
		}
		if len(left) != 1 || tree.Hash != root.String() {
			t.Fatalf("left %v of the tree %s, want %s", left, tree.Hash, root)
		}
		paths := -1 // the directory itself
		err = filepath.WalkDir(parent+"/tree", func(name string, _ fs.DirEntry, err error) error {
			paths++
			return err
		})
		if err != nil || paths > limits.Paths || tree.Bytes > limits.Bytes {
			t.Fatalf("%d paths of %d bytes, %v", paths, tree.Bytes, err)
		}
	})
}
