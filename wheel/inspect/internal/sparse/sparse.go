// Package sparse keeps chosen ranges of a file that passes by once.
package sparse

// Buffer is an io.Writer that keeps the ranges of a file that were asked for
// before they came by. The zero value keeps nothing.
type Buffer struct {
	offset int64
	pieces []piece
}

// piece is a range of the file, as far as it has come.
type piece struct {
	from, to int64
	data     []byte
}

// Keep asks for the bytes from, up to but without to. Those that have passed
// already come with the next reading, after Rewind.
func (b *Buffer) Keep(from, to int64) {
	if from < 0 || from >= to {
		return
	}
	if n := len(b.pieces); n < cap(b.pieces) {
		b.pieces = b.pieces[:n+1] // its memory serves again after Reset
		b.pieces[n] = piece{from, to, b.pieces[n].data[:0]}
		return
	}
	b.pieces = append(b.pieces, piece{from: from, to: to})
}

// Reset makes the buffer as it was at first, for another file. What Bytes gave
// is no longer valid.
func (b *Buffer) Reset() { b.offset, b.pieces = 0, b.pieces[:0] }

// Offset is that of the next byte.
func (b *Buffer) Offset() int64 { return b.offset }

// Rewind says that the file comes by once more from its first byte. What is
// there already stays.
func (b *Buffer) Rewind() { b.offset = 0 }

// Write takes the next bytes of the file. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	end := b.offset + int64(len(p))
	for i := range b.pieces {
		k := &b.pieces[i]
		// Only what continues the piece without a gap is of use.
		next := k.from + int64(len(k.data))
		if next < k.to && b.offset <= next && next < end {
			k.data = append(k.data, p[next-b.offset:min(end, k.to)-b.offset]...)
		}
	}
	b.offset = end
	return len(p), nil
}

// Bytes are n bytes of the file from off on; ok is false where they were not
// kept whole. The caller must not change them.
func (b *Buffer) Bytes(off, n int64) (data []byte, ok bool) {
	if off < 0 || n < 0 {
		return nil, false
	}
	for i := range b.pieces {
		k := &b.pieces[i]
		if k.from <= off && n <= int64(len(k.data)) && off-k.from <= int64(len(k.data))-n {
			return k.data[off-k.from:][:n:n], true
		}
	}
	return nil, false
}
