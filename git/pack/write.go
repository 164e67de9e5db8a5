package pack

import (
	"bufio"
	"crypto/sha1"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
)

// writer writes a pack from its beginning, and hashes it for its end.
type writer struct {
	w    *bufio.Writer
	sum  hash.Hash
	crc  uint32 // of the object that was begun last
	size int64
}

func newWriter(f io.Writer) *writer {
	return &writer{w: bufio.NewWriterSize(f, 1<<17), sum: sha1.New()}
}

// Write adds to the object that was begun last.
func (w *writer) Write(p []byte) (int, error) {
	w.sum.Write(p)
	w.crc = crc32.Update(w.crc, crc32.IEEETable, p)
	w.size += int64(len(p))
	return w.w.Write(p)
}

// start writes the pack's header.
func (w *writer) start(version, count uint32) error {
	head := append([]byte("PACK"), make([]byte, 8)...)
	binary.BigEndian.PutUint32(head[4:], version)
	binary.BigEndian.PutUint32(head[8:], count)
	_, err := w.Write(head)
	return err
}

// begin writes the header of an object and returns where it stands.
func (w *writer) begin(h header) (offset int64, err error) {
	offset, w.crc = w.size, 0
	_, err = w.Write(appendHeader(nil, h, offset))
	return offset, err
}

// end writes the checksum and all that is still in the buffer.
func (w *writer) end() (sum plumbing.Hash, err error) {
	copy(sum[:], w.sum.Sum(nil))
	if _, err := w.w.Write(sum[:]); err != nil {
		return sum, err
	}
	return sum, w.w.Flush()
}

// appendHeader is the reverse of readHeader, for the object at offset.
func appendHeader(b []byte, h header, offset int64) []byte {
	c := byte(h.Type)<<4 | byte(h.Size&15)
	for size := h.Size >> 4; size > 0; size >>= 7 {
		b = append(b, c|0x80)
		c = byte(size & 0x7f)
	}
	b = append(b, c)
	switch h.Type {
	case plumbing.OFSDeltaObject:
		b = appendOffset(b, offset-h.Base)
	case plumbing.REFDeltaObject:
		b = append(b, h.Ref[:]...)
	}
	return b
}

// appendOffset is the reverse of readOffset.
func appendOffset(b []byte, back int64) []byte {
	var digits [10]byte
	i := len(digits) - 1
	digits[i] = byte(back & 0x7f)
	for back >>= 7; back > 0; back >>= 7 {
		back--
		i--
		digits[i] = byte(back&0x7f) | 0x80
	}
	return append(b, digits[i:]...)
}

// window holds the last bytes of a stream.
type window struct {
	buf  []byte
	from int   // in buf, of the first byte that still counts
	at   int64 // in the stream, of that byte
}

func (w *window) add(p []byte) {
	if len(w.buf)+len(p) > cap(w.buf) {
		w.buf = w.buf[:copy(w.buf, w.buf[w.from:])]
		w.from = 0
	}
	w.buf = append(w.buf, p...)
}

// until returns what stands before a place in the stream.
func (w *window) until(offset int64) []byte { return w.buf[w.from:][:offset-w.at] }

// drop lets go of what stands before a place in the stream.
func (w *window) drop(offset int64) {
	w.from += int(offset - w.at)
	w.at = offset
}
