package fatbin

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

const (
	// small entries are looked into in any case: the containers without a kernel
	// that nvcc adds are of that size.
	small = 16 << 10
	// maxPacked is how much compressed content is held to be unpacked; an entry
	// of more has its kernels not counted.
	maxPacked = 32 << 20
	// maxUnpacked ends the unpacking of content, however small it was packed.
	maxUnpacked = 1 << 30
	// maxWindow bounds the memory that unpacking takes.
	maxWindow = 64 << 20
)

// sink takes an entry's payload and counts the kernels in it, -1 where it
// cannot tell. Its Write never fails.
type sink interface {
	io.Writer
	kernels() int
}

// counter makes the sinks of a Scanner. It makes one at a time, and its memory
// serves for all of them.
type counter struct {
	cubin Cubin
	zstd  *zstd.Decoder
	data  []byte
}

// sink is nil where the kernels are not to be counted, or cannot be.
func (c *counter) sink(h *header, all bool) sink {
	if !all && h.entry.Size > small {
		return nil
	}
	var content sink
	switch h.entry.Kind {
	case cuda.SASS:
		c.cubin.buf.Reset()
		content = &c.cubin
	case cuda.PTX:
		content = &ptx{}
	default:
		return nil
	}
	if h.entry.Compression == cuda.Plain {
		return content
	}
	if h.compressed > maxPacked || h.entry.Size > maxUnpacked {
		return nil
	}
	c.data = c.data[:0]
	return &packed{counter: c, how: h.entry.Compression, length: int(h.compressed), size: h.entry.Size, content: content}
}

// packed gathers compressed content and unpacks it, as a stream, when it is whole.
type packed struct {
	*counter
	how     cuda.Compression
	length  int
	size    int64
	content sink
}

func (z *packed) Write(p []byte) (int, error) {
	z.data = append(z.data, p[:min(len(p), z.length-len(z.data))]...)
	return len(p), nil
}

func (z *packed) kernels() int {
	n, err := z.unpack()
	if err != nil || n != z.size {
		return -1
	}
	return z.content.kernels()
}

func (z *packed) unpack() (n int64, err error) {
	if z.how == cuda.LZ4 {
		return unpackLZ4(z.content, z.data, z.size)
	}
	if z.zstd == nil {
		// One goroutine, its own: a decoder of this kind needs no Close.
		z.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	}
	if err == nil {
		err = z.zstd.Reset(bytes.NewReader(z.data))
	}
	if err != nil {
		return 0, err
	}
	return io.Copy(z.content, io.LimitReader(z.zstd, z.size+1))
}

// ptx counts the entry points of PTX text: each has one .entry directive.
type ptx struct {
	n    int
	tail []byte // the last bytes of the write before, fewer than a directive has
}

const entryDirective = ".entry"

func (t *ptx) Write(p []byte) (int, error) {
	const most = len(entryDirective) - 1
	// Neither the tail nor as much of p has room for a directive: what is found
	// here lies across the border of two writes.
	joint := append(t.tail, p[:min(len(p), most)]...)
	t.n += bytes.Count(joint, []byte(entryDirective)) + bytes.Count(p, []byte(entryDirective))
	if len(p) >= most {
		joint = p
	}
	t.tail = append([]byte(nil), joint[max(0, len(joint)-most):]...)
	return len(p), nil
}

func (t *ptx) kernels() int { return t.n }
