package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
)

const (
	// packSize is how much tar is compressed as one piece: part of every digest.
	packSize = 512 << 10
	// spliceMin is the least content worth a gzip member of its own: below it
	// the member's frame and the header standing alone cost more than a second
	// compression. Part of every digest.
	spliceMin = 16 << 10
	// A spliced file is read and inflated in chunks of chunkSize, of which
	// chunkQueue may wait for a consumer: they bound memory, and change no byte.
	chunkSize  = 256 << 10
	chunkQueue = 3
)

// segment is a run of the tar that becomes a piece of the blob by itself:
// either parts packed together, or one file spliced in. A worker fills both
// queues and closes them; the consumers drain the segments in order.
type segment struct {
	parts  []part
	splice *splice
	tar    chan *chunk // what the diffID is hashed of
	blob   chan *chunk // what goes to disk
}

// part is bytes at hand, or a small file to read.
type part struct {
	bytes []byte
	lent  *chunk // what bytes lie in, to give back
	path  string
	size  int64
}

func newSegment() *segment {
	return &segment{tar: make(chan *chunk, chunkQueue), blob: make(chan *chunk, chunkQueue)}
}

// close lets go of what a segment holds that no worker will see.
func (s *segment) close() {
	if s.splice != nil {
		s.splice.file.Close()
	}
}

// chunk is lent memory, and what of it is in use.
type chunk struct{ mem, data []byte }

// Chunks are lent by all layers of a process, however many it writes: memory
// is what is on its way, not what the garbage collector has not found yet.
var (
	chunks = sync.Pool{New: func() any { return &chunk{mem: make([]byte, chunkSize)} }}
	packs  = sync.Pool{New: func() any { return &chunk{mem: make([]byte, packSize+packSize/8)} }}
)

func getChunk() *chunk { return chunks.Get().(*chunk) }
func getPack() *chunk  { return packs.Get().(*chunk) }

// put takes back what was lent, of either size.
func (c *chunk) put() {
	c.data = nil
	if len(c.mem) == chunkSize {
		chunks.Put(c)
	} else {
		packs.Put(c)
	}
}

func send[T any](ctx context.Context, ch chan<- T, v T) error {
	select {
	case ch <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readFull appends exactly size bytes of the tree's file to dst; a file of any
// other length is an error, since its header is written already.
func readFull(dst []byte, tree fs.FS, p part) ([]byte, error) {
	f, err := tree.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n := len(dst)
	dst = slices.Grow(dst, int(p.size))[:n+int(p.size)]
	if m, err := fill(f, dst[n:]); err != nil && (!errors.Is(err, io.EOF) || m < int(p.size)) {
		return nil, shortError(err, int64(m), p.size)
	}
	return dst, atEnd(f, p.size)
}

// atEnd reads on past the size promised: there a file that checks its own
// content answers for it.
func atEnd(f io.Reader, size int64) error {
	var more [1]byte
	switch n, err := fill(f, more[:]); {
	case n > 0:
		return fmt.Errorf("it has more than the %d bytes promised", size)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func shortError(err error, got, size int64) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("it has %d bytes, not the %d promised", got, size)
	}
	return err
}
