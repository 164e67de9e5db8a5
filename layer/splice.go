package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/sparkwheel/sparkwheel/layer/inflate"
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

// inflater is one worker's means of looking into spliced files: what it reads
// goes on to the blob as it is, what that holds to the tar.
type inflater struct {
	decoder inflate.Decoder

	ctx     context.Context //nolint:containedctx // of the file at hand: the decoder calls back without one
	seg     *segment
	reading *chunk   // the piece that is being decoded
	lent    []*chunk // the buffers that the decoder has, the oldest first
	crc     uint32
	sum     hash.Hash // nil where no SHA-256 is promised
	left    int64
}

var _ inflate.Pipe = (*inflater)(nil)

// run sends the member to seg.blob and what it holds to seg.tar, and fails
// unless size, CRC and SHA-256 are those promised.
func (w *inflater) run(ctx context.Context, seg *segment) error {
	s := seg.splice
	defer s.file.Close()
	w.ctx, w.seg, w.lent, w.crc, w.sum, w.left = ctx, seg, w.lent[:0], 0, nil, s.size
	if s.sha256 != nil {
		w.sum = sha256.New()
	}
	if err := w.frame(gzipHeader); err != nil {
		return err
	}
	if err := w.decoder.Decode(w); err != nil {
		return fmt.Errorf("inflating %s: %w", s.path, err)
	}
	if err := w.check(s); err != nil {
		return fmt.Errorf("inflating %s: %w", s.path, err)
	}
	return w.frame(gzipTrailer(w.crc, s.size))
}

func (w *inflater) check(s *splice) error {
	if w.left > 0 {
		return fmt.Errorf("it has %d bytes, not the %d promised", s.size-w.left, s.size)
	}
	if w.crc != s.crc {
		return fmt.Errorf("CRC-32 is %08x, not the %08x promised", w.crc, s.crc)
	}
	if w.sum == nil {
		return nil
	}
	if got := w.sum.Sum(nil); !bytes.Equal(got, s.sha256) {
		return fmt.Errorf("SHA-256 is %x, not the %x promised", got, s.sha256)
	}
	return nil
}

// frame sends what stands around a member.
func (w *inflater) frame(b []byte) error {
	c := getChunk()
	c.data = append(c.mem[:0], b...)
	return send(w.ctx, w.seg.blob, c)
}

// Next passes the piece before on to the blob and reads the next.
func (w *inflater) Next() ([]byte, error) {
	if c := w.reading; c != nil {
		w.reading = nil
		if err := send(w.ctx, w.seg.blob, c); err != nil {
			return nil, err
		}
	}
	c := getChunk()
	n, err := fill(w.seg.splice.raw, c.mem)
	if n == 0 {
		c.put()
		return nil, err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	c.data = c.mem[:n]
	w.reading = c
	return c.data, nil
}

// Buffer lends where the content goes.
func (w *inflater) Buffer() []byte {
	c := getChunk()
	w.lent = append(w.lent, c)
	return c.mem
}

// Emit checks a piece of the content on its way to the tar.
func (w *inflater) Emit(end int) error {
	c := w.lent[0]
	w.lent = append(w.lent[:0], w.lent[1:]...)
	c.data = c.mem[inflate.Window:end]
	if w.left -= int64(len(c.data)); w.left < 0 {
		return fmt.Errorf("it has more than the %d bytes promised", w.seg.splice.size)
	}
	w.crc = crc32.Update(w.crc, crc32.IEEETable, c.data)
	if w.sum != nil {
		w.sum.Write(c.data)
	}
	return send(w.ctx, w.seg.tar, c)
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
