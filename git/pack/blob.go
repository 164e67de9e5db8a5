package pack

import (
	"crypto/sha1"
	"fmt"
	"hash"
	"io"
	"strconv"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// WriteBlob writes a blob's content to w and returns its size. One that stands
// whole in its pack is streamed. The content is hashed on its way: a
// *DamagedError after the last byte says that it was not what it should be.
func (s *Store) WriteBlob(w io.Writer, h plumbing.Hash) (int64, error) {
	at, ok := s.find(h)
	if !ok {
		return 0, ErrNotFound
	}
	r := s.pool.Get().(*reader)
	defer s.pool.Put(r)
	head, err := r.seek(at)
	if err != nil || head.Type != plumbing.BlobObject {
		return s.writeContent(w, h, at)
	}
	if head.Size <= largeObject {
		return r.writeWhole(w, h, at, head.Size)
	}
	sum := newSum(plumbing.BlobObject, head.Size)
	out := &sinkError{w: io.MultiWriter(w, sum)}
	if err := r.z.stream(out, r.in, head.Size); err != nil {
		if out.err != nil {
			return 0, out.err
		}
		return 0, &DamagedError{Pack: at.p.f.Name(), Err: err}
	}
	if plumbing.Hash(sum.Sum(nil)) != h {
		return 0, &DamagedError{Pack: at.p.f.Name(), Err: fmt.Errorf("object %s has different content", h)}
	}
	return head.Size, nil
}

// writeWhole writes a blob that stands whole in its pack by way of a buffer
// that the next one uses again: a checkout is thousands of them.
func (r *reader) writeWhole(w io.Writer, h plumbing.Hash, at base, size int64) (int64, error) {
	content, err := r.whole(at, size, r.buf)
	if err == nil && hashOf(plumbing.BlobObject, content) != h {
		err = fmt.Errorf("object %s has different content", h)
	}
	if err != nil {
		return 0, &DamagedError{Pack: at.p.f.Name(), Err: noEOF(err)}
	}
	r.buf = content
	n, err := w.Write(content)
	return int64(n), err
}

func (s *Store) writeContent(w io.Writer, h plumbing.Hash, at base) (int64, error) {
	kind, content, err := s.Read(h)
	if err != nil {
		return 0, err
	}
	if kind != plumbing.BlobObject {
		return 0, &DamagedError{Pack: at.p.f.Name(), Err: fmt.Errorf("object %s is a %s, not a blob", h, kind)}
	}
	n, err := w.Write(content)
	return int64(n), err
}

// sinkError remembers that it was the writer that failed.
type sinkError struct {
	w   io.Writer
	err error
}

func (s *sinkError) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// newSum begins the hash of an object. What is on disk was searched for
// collisions when it came, so the plain SHA-1 does here.
func newSum(kind plumbing.ObjectType, size int64) hash.Hash {
	sum := sha1.New()
	sum.Write(append(append(kind.Bytes(), ' '), strconv.FormatInt(size, 10)...))
	sum.Write([]byte{0})
	return sum
}

func hashOf(kind plumbing.ObjectType, content []byte) plumbing.Hash {
	sum := newSum(kind, int64(len(content)))
	sum.Write(content)
	return plumbing.Hash(sum.Sum(nil))
}

// base is the place of an object.
type base struct {
	p      *file
	offset int64
}

// baseCacheSize bounds the bases kept, in bytes.
const baseCacheSize = 16 << 20

// baseCache keeps the contents that deltas stand on. When it is full it starts
// anew: chains are read in bunches, and the next bunch has other bases.
type baseCache struct {
	mu      sync.Mutex
	content map[base][]byte
	kinds   map[base]plumbing.ObjectType
	size    int
}

func (c *baseCache) get(at base) (plumbing.ObjectType, []byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	content, ok := c.content[at]
	return c.kinds[at], content, ok
}

func (c *baseCache) put(at base, kind plumbing.ObjectType, content []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(content) > baseCacheSize/4 {
		return
	}
	if c.size += len(content); c.kinds == nil || c.size > baseCacheSize {
		c.content, c.kinds, c.size = make(map[base][]byte), make(map[base]plumbing.ObjectType), len(content)
	}
	c.content[at], c.kinds[at] = content, kind
}
