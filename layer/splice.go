package layer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/klauspost/compress/flate"
)

// splice is a file whose deflate stream goes into the blob as it is.
type splice struct {
	file   io.Closer
	path   string
	raw    io.Reader
	crc    uint32
	sha256 []byte
	size   int64
}

// inflater is one worker's means of looking into spliced files.
type inflater struct {
	in   *bufio.Reader
	out  io.ReadCloser
	bufs *buffers
}

func newInflater(bufs *buffers) *inflater {
	in := bufio.NewReaderSize(nil, chunkSize)
	return &inflater{in: in, out: flate.NewReader(in), bufs: bufs}
}

// run sends the member to seg.blob and what it holds to seg.tar, and fails
// unless size, CRC and SHA-256 are those promised.
func (w *inflater) run(ctx context.Context, seg *segment) error {
	s := seg.splice
	defer s.file.Close()
	member := &chunker{bufs: w.bufs, send: func(b *[]byte) error { return send(ctx, seg.blob, b) }}
	if _, err := member.Write(gzipHeader); err != nil {
		return err
	}
	w.in.Reset(io.TeeReader(s.raw, member))
	if err := w.out.(flate.Resetter).Reset(w.in, nil); err != nil {
		return err
	}
	crc, err := w.inflate(ctx, seg)
	if err != nil {
		return fmt.Errorf("inflating %s: %w", s.path, err)
	}
	if _, err := member.Write(gzipTrailer(crc, s.size)); err != nil {
		return err
	}
	return member.flush()
}

func (w *inflater) inflate(ctx context.Context, seg *segment) (uint32, error) {
	s := seg.splice
	crc, sum, left := uint32(0), sha256.New(), s.size
	for {
		buf := w.bufs.getChunk()
		n, err := fill(w.out, (*buf)[:cap(*buf)])
		*buf = (*buf)[:n]
		if left -= int64(n); left < 0 {
			return 0, fmt.Errorf("it holds more than the %d bytes promised", s.size)
		}
		crc = crc32.Update(crc, crc32.IEEETable, *buf)
		if s.sha256 != nil {
			sum.Write(*buf)
		}
		if n > 0 {
			if err := send(ctx, seg.tar, buf); err != nil {
				return 0, err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if left > 0 {
		return 0, fmt.Errorf("it holds %d bytes, not the %d promised", s.size-left, s.size)
	}
	if _, err := w.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("bytes follow the end of the deflate stream")
		}
		return 0, err
	}
	if crc != s.crc {
		return 0, fmt.Errorf("CRC-32 is %08x, not the %08x promised", crc, s.crc)
	}
	if got := sum.Sum(nil); s.sha256 != nil && !bytes.Equal(got, s.sha256) {
		return 0, fmt.Errorf("SHA-256 is %x, not the %x promised", got, s.sha256)
	}
	return crc, nil
}

// fill reads until b is full or r has no more; unlike io.ReadFull it keeps the
// stream's own end (io.EOF) apart from a cut one (io.ErrUnexpectedEOF).
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// chunker sends on what is written to it, in chunks of one size.
type chunker struct {
	send func(*[]byte) error
	bufs *buffers
	buf  *[]byte
}

func (c *chunker) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if c.buf == nil {
			c.buf = c.bufs.getChunk()
		}
		b := *c.buf
		n := copy(b[len(b):cap(b)], p)
		*c.buf, p = b[:len(b)+n], p[n:]
		if len(*c.buf) == cap(b) {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (c *chunker) flush() error {
	if c.buf == nil {
		return nil
	}
	buf := c.buf
	c.buf = nil
	return c.send(buf)
}

// deflated answers the raw stream of f if it has one.
func deflated(f fs.File, path string, size int64) (*splice, error) {
	d, ok := f.(Deflated)
	if !ok {
		return nil, nil
	}
	raw, crc, sum, err := d.Deflate()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &splice{file: f, path: path, raw: raw, crc: crc, sha256: sum, size: size}, nil
}
