package zip

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// ContentError says that a member's bytes are not what the directory promises.
type ContentError struct {
	Code    string // as reported by Report: crc, size, inflate
	Path    string
	Message string
	Err     error // what the decompressor said, or nil
}

func (e *ContentError) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Message) }
func (e *ContentError) Unwrap() error { return e.Err }

// Inflaters hold 44 KiB of tables each: archives have tens of thousands of
// members, so they are used again.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// Open reads the content of m. At its end the reader has verified size, CRC-32
// and that no byte of the member is left over, and returns a *ContentError
// instead of io.EOF where one is wrong; it never gives more than Size bytes.
// The caller closes it.
func (a *Archive) Open(m *Member) io.ReadCloser {
	c := &content{m: m, left: m.Size, crc: crc32.NewIEEE()}
	if m.unreadable {
		c.err = c.faultf("local-header", "cannot be read")
		return c
	}
	raw := a.Raw(m)
	if m.Method == Stored {
		c.src = raw
		return c
	}
	c.buf = buffers.Get().(*bufio.Reader)
	c.buf.Reset(raw)
	if m.Method == Deflate {
		c.inflater = inflaters.Get().(io.ReadCloser)
		c.err = c.inflater.(flate.Resetter).Reset(c.buf, nil)
		c.src = c.inflater
		return c
	}
	z, err := zstd.NewReader(c.buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(8<<20), zstd.IgnoreChecksum(false))
	if err != nil {
		c.err = c.fault("inflate", err)
		return c
	}
	c.zstd, c.src = z, z
	return c
}

// content is a member being read.
type content struct {
	m        *Member
	src      io.Reader
	buf      *bufio.Reader
	inflater io.ReadCloser
	zstd     *zstd.Decoder
	left     int64
	crc      interface {
		io.Writer
		Sum32() uint32
	}
	err error
}

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.left == 0 {
		c.err = c.finish()
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.src.Read(p)
	_, _ = c.crc.Write(p[:n])
	c.left -= int64(n)
	switch {
	case err == io.EOF && c.left > 0:
		c.err = c.faultf("size", "ends after %d of %d bytes", c.m.Size-c.left, c.m.Size)
	case err != nil && err != io.EOF:
		c.err = c.fault("inflate", err)
	}
	return n, c.err
}

// finish checks that the content ends where the directory says.
func (c *content) finish() error {
	var one [1]byte
	if n, err := io.ReadFull(c.src, one[:]); n > 0 {
		return c.faultf("size", "has more than the %d bytes that the directory says", c.m.Size)
	} else if err != io.EOF {
		return c.fault("inflate", err)
	}
	if c.buf != nil {
		if _, err := c.buf.ReadByte(); err != io.EOF {
			return c.faultf("size", "bytes follow the end of its compressed stream")
		}
	}
	if sum := c.crc.Sum32(); sum != c.m.CRC32 {
		return c.faultf("crc", "CRC-32 is %08x, but the directory says %08x", sum, c.m.CRC32)
	}
	return io.EOF
}

// fault tells a damaged stream from a file that could not be read.
func (c *content) fault(code string, err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("reading %s: %w", c.m.Name, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &ContentError{code, c.m.Name, "its compressed stream is truncated", err}
	}
	return &ContentError{code, c.m.Name, fmt.Sprintf("its compressed stream is damaged: %v", err), err}
}

func (c *content) faultf(code, format string, args ...any) error {
	return &ContentError{Code: code, Path: c.m.Name, Message: fmt.Sprintf(format, args...)}
}

func (c *content) Close() error {
	if c.inflater != nil {
		inflaters.Put(c.inflater)
		c.inflater = nil
	}
	if c.zstd != nil {
		c.zstd.Close()
		c.zstd = nil
	}
	if c.buf != nil {
		c.buf.Reset(nil)
		buffers.Put(c.buf)
		c.buf = nil
	}
	if c.err == nil || errors.Is(c.err, io.EOF) {
		c.err = io.ErrClosedPipe
	}
	return nil
}
