package layer

import (
	"context"
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
	// chunkSize is the unit in which a spliced file travels, chunkQueue how many
	// of them may wait for a consumer: they bound memory, and change no byte.
	chunkSize  = 64 << 10
	chunkQueue = 8
)

// segment is a run of the tar that becomes a piece of the blob by itself:
// either parts packed together, or one file spliced in. A worker fills both
// queues and closes them; the consumers drain the segments in order.
type segment struct {
	parts  []part
	splice *splice
	tar    chan *[]byte // what the diffID is hashed of
	blob   chan *[]byte // what goes to disk
}

// part is bytes at hand, or a small file to read.
type part struct {
	bytes []byte
	lent  *[]byte // what bytes lie in, to give back
	path  string
	size  int64
}

func newSegment() *segment {
	return &segment{tar: make(chan *[]byte, chunkQueue), blob: make(chan *[]byte, chunkQueue)}
}

// close lets go of what a segment holds that no worker will see.
func (s *segment) close() {
	if s.splice != nil {
		s.splice.file.Close()
	}
}

// buffers lends chunks of the two sizes in use, so that a layer of any size
// runs in the memory of its queues.
type buffers struct{ chunk, pack sync.Pool }

func newBuffers() *buffers {
	lend := func(size int) sync.Pool {
		return sync.Pool{New: func() any { b := make([]byte, 0, size); return &b }}
	}
	return &buffers{chunk: lend(chunkSize), pack: lend(packSize + packSize/8)}
}

func (b *buffers) getChunk() *[]byte { return b.chunk.Get().(*[]byte) }
func (b *buffers) getPack() *[]byte  { return b.pack.Get().(*[]byte) }

func (b *buffers) put(p *[]byte) {
	*p = (*p)[:0]
	if cap(*p) == chunkSize {
		b.chunk.Put(p)
	} else {
		b.pack.Put(p)
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
	if m, err := fill(f, dst[n:]); err != nil && (err != io.EOF || m < int(p.size)) {
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
		return fmt.Errorf("it holds more than the %d bytes promised", size)
	case err != io.EOF:
		return err
	}
	return nil
}

func shortError(err error, got, size int64) error {
	if err == io.EOF {
		return fmt.Errorf("it holds %d bytes, not the %d promised", got, size)
	}
	return err
}
