// Package inflate decodes DEFLATE streams (RFC 1951) into buffers that the
// caller lends and takes away full, so that decoded bytes are never copied, and
// with tables and a bit buffer wide enough to take most symbols in one step.
//
// Layers are made by inflating gigabytes only to hash them: how fast that goes
// is how fast a layer is made.
package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

// Window is how far back a stream may reach: so many bytes at the start of each
// lent buffer are the decoder's, which keeps there what came before.
const Window = 32 << 10

// MinBuffer is the least length of a lent buffer.
const MinBuffer = Window + 1<<10

// ErrTrailing says that bytes follow the end of the stream.
var ErrTrailing = errors.New("bytes follow the end of the deflate stream")

// CorruptError says what is wrong with a stream. A stream that is cut off is
// io.ErrUnexpectedEOF instead.
type CorruptError struct{ Message string }

func (e *CorruptError) Error() string { return "the deflate stream is damaged: " + e.Message }

// Pipe is where a Decoder reads from and writes to.
type Pipe interface {
	// Next gives the next piece of the stream, io.EOF after the last. The piece
	// before is not used any more.
	Next() ([]byte, error)
	// Buffer lends a buffer of at least MinBuffer bytes.
	Buffer() []byte
	// Emit takes back the buffer that was lent first: from Window to end it holds
	// the next bytes of the content.
	Emit(end int) error
}

// Decoder decodes one stream after another. It is some 20 KiB of tables.
type Decoder struct {
	pipe Pipe
	in   []byte
	pos  int    // in in
	bits uint64 // not yet decoded, the next one lowest; zero above count
	n    uint   // how many of them
	eof  bool

	out   []byte
	w     int // where out goes on
	first int // the first byte of out that is content

	lengths   [maxLitLen + maxDist]uint8
	litLen    [litLenSize]entry
	dist      [distSize]entry
	codeLen   [codeLenSize]entry
	fixed     bool // litLen and dist hold the fixed code
	unordered [maxLitLen]uint16
}

// Decode decodes the whole stream that pipe holds, to its end, which must be
// that of its last piece too. Errors of the pipe are returned as they are.
func (d *Decoder) Decode(pipe Pipe) error {
	d.pipe, d.in, d.pos, d.bits, d.n, d.eof = pipe, nil, 0, 0, 0, false
	d.out = pipe.Buffer()
	d.w, d.first = Window, Window
	defer func() { d.pipe, d.in, d.out = nil, nil, nil }()
	for last := false; !last; {
		header, err := d.take(3)
		if err != nil {
			return err
		}
		last = header&1 != 0
		switch header >> 1 {
		case 0:
			err = d.stored()
		case 1:
			d.useFixed()
			err = d.block()
		case 2:
			if err = d.readCodes(); err == nil {
				err = d.block()
			}
		default:
			err = &CorruptError{"a block of the reserved kind"}
		}
		if err != nil {
			return err
		}
	}
	if err := d.end(); err != nil {
		return err
	}
	return d.pipe.Emit(d.w)
}

// end makes sure that nothing is left of the input.
func (d *Decoder) end() error {
	if d.n >= 8 || d.pos < len(d.in) {
		return ErrTrailing
	}
	more, err := d.more()
	if more {
		return ErrTrailing
	}
	return err
}

// more fetches the next piece once the one at hand is used up.
func (d *Decoder) more() (bool, error) {
	for !d.eof && d.pos == len(d.in) {
		piece, err := d.pipe.Next()
		d.in, d.pos = piece, 0
		if errors.Is(err, io.EOF) {
			d.in, d.eof = nil, true
		} else if err != nil {
			d.in = nil
			return false, err
		}
	}
	return d.pos < len(d.in), nil
}

// fill brings in at least 57 bits, less only where the stream ends.
func (d *Decoder) fill() error {
	for d.n <= 56 {
		if d.pos == len(d.in) {
			if more, err := d.more(); !more {
				return err
			}
		}
		d.bits |= uint64(d.in[d.pos]) << d.n
		d.pos++
		d.n += 8
	}
	return nil
}

// take reads a number of count bits.
func (d *Decoder) take(count uint) (uint, error) {
	if d.n < count {
		if err := d.fill(); err != nil {
			return 0, err
		}
		if d.n < count {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := uint(d.bits & (1<<count - 1))
	d.bits >>= count
	d.n -= count
	return v, nil
}

// turn gives the buffer away and takes another, with what came before.
func (d *Decoder) turn() error {
	next := d.pipe.Buffer()
	copy(next[:Window], d.out[d.w-Window:d.w])
	err := d.pipe.Emit(d.w)
	d.first = max(0, d.first-(d.w-Window))
	d.out, d.w = next, Window
	return err
}

// stored copies a block that is not compressed.
func (d *Decoder) stored() error {
	if _, err := d.take(d.n & 7); err != nil {
		return err
	}
	length, err := d.take(16)
	if err != nil {
		return err
	}
	check, err := d.take(16)
	if err != nil {
		return err
	}
	if length != ^check&0xffff {
		return &CorruptError{"a stored block's length and its complement differ"}
	}
	for left := int(length); left > 0; {
		if d.w == len(d.out) {
			if err := d.turn(); err != nil {
				return err
			}
		}
		if d.n > 0 { // whole bytes, since the block is aligned
			d.out[d.w] = byte(d.bits)
			d.bits >>= 8
			d.n -= 8
			d.w++
			left--
			continue
		}
		if more, err := d.more(); err != nil {
			return err
		} else if !more {
			return io.ErrUnexpectedEOF
		}
		n := copy(d.out[d.w:min(len(d.out), d.w+left)], d.in[d.pos:])
		d.w += n
		d.pos += n
		left -= n
	}
	return nil
}

const (
	maxMatch = 258
	// inMargin is what the fast loop may read of a piece in one round, outMargin
	// what it may write of a buffer: two literals, a match, and up to seven bytes
	// more, since matches are copied by eight.
	inMargin  = 16
	outMargin = maxMatch + 16
)

// block decodes symbols up to the end of their block.
func (d *Decoder) block() error {
	for {
		if done, err := d.fast(); done || err != nil {
			return err
		}
		if d.w > len(d.out)-outMargin {
			if err := d.turn(); err != nil {
				return err
			}
		}
		if done, err := d.step(); done || err != nil {
			return err
		}
	}
}

// step decodes one symbol where the fast loop would reach over an edge.
func (d *Decoder) step() (done bool, err error) {
	if err := d.fill(); err != nil {
		return false, err
	}
	e := d.litLen[d.bits&(1<<litLenBits-1)]
	if e&subtable != 0 {
		e = d.litLen[e.sub(d.bits>>litLenBits)]
	}
	if e&invalid != 0 {
		return false, errCode
	}
	extra := d.bits
	if err := d.drop(e); err != nil {
		return false, err
	}
	switch {
	case e&literal != 0:
		d.out[d.w] = byte(e >> 16)
		d.w++
		return false, nil
	case e&endOfBlock != 0:
		return true, nil
	}
	length := e.value(extra)
	e = d.dist[d.bits&(1<<distBits-1)]
	if e&subtable != 0 {
		e = d.dist[e.sub(d.bits>>distBits)]
	}
	if e&invalid != 0 {
		return false, errCode
	}
	extra = d.bits
	if err := d.drop(e); err != nil {
		return false, err
	}
	distance := e.value(extra)
	if distance > d.w-d.first {
		return false, errDistance
	}
	for end := d.w + length; d.w < end; d.w++ {
		d.out[d.w] = d.out[d.w-distance]
	}
	return false, nil
}

var (
	errCode     = &CorruptError{"an unused code"}
	errDistance = &CorruptError{"a match reaches back beyond the start"}
)

// drop lets go of the bits of a symbol and of what it brings along.
func (d *Decoder) drop(e entry) error {
	n := e.bits()
	if n > d.n {
		return io.ErrUnexpectedEOF
	}
	d.bits >>= n
	d.n -= n
	return nil
}

// fast decodes symbols as long as neither the piece nor the buffer comes near
// its end. A match takes at most 48 bits: one load, which later literals share.
func (d *Decoder) fast() (done bool, err error) {
	in, out, pos, w, bits, n := d.in, d.out, d.pos, d.w, d.bits, d.n
	litLen, dist, first := &d.litLen, &d.dist, d.first
	for pos <= len(in)-inMargin && w <= len(out)-outMargin {
		if n < 48 {
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e := litLen[bits&(1<<litLenBits-1)]
		if e&subtable != 0 {
			e = litLen[e.sub(bits>>litLenBits)]
		}
		extra := bits
		bits >>= e.bits() & 63
		n -= e.bits()
		if e&literal != 0 {
			out[w] = byte(e >> 16)
			w++
			if e = litLen[bits&(1<<litLenBits-1)]; e&literal != 0 { // one seldom comes alone
				out[w] = byte(e >> 16)
				w++
				bits >>= e.bits() & 63
				n -= e.bits()
			}
			continue
		}
		if e&special != 0 {
			if done = e&endOfBlock != 0; !done {
				err = errCode
			}
			break
		}
		length := e.value(extra)
		e = dist[bits&(1<<distBits-1)]
		if e&subtable != 0 {
			e = dist[e.sub(bits>>distBits)]
		}
		if e&special != 0 {
			err = errCode
			break
		}
		distance := e.value(bits)
		bits >>= e.bits() & 63
		n -= e.bits()
		if distance > w-first {
			err = errDistance
			break
		}
		copyMatch(out, w, distance, length)
		w += length
	}
	d.pos, d.w, d.n = pos, w, n
	d.bits = bits & (1<<(n&63) - 1) // a load may bring more than it counts
	return done, err
}

// copyMatch repeats length bytes from distance before w; it may write up to
// seven bytes beyond them.
func copyMatch(out []byte, w, distance, length int) {
	from, end := w-distance, w+length
	if distance >= 8 {
		for w < end {
			binary.LittleEndian.PutUint64(out[w:], binary.LittleEndian.Uint64(out[from:]))
			w += 8
			from += 8
		}
		return
	}
	if distance == 1 {
		run := uint64(out[from]) * 0x0101010101010101
		for w < end {
			binary.LittleEndian.PutUint64(out[w:], run)
			w += 8
		}
		return
	}
	for w < end {
		out[w] = out[from]
		w++
		from++
	}
}
