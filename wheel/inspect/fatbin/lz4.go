package fatbin

import (
	"errors"
	"io"
)

var errLZ4 = errors.New("the LZ4 block is damaged")

// window is how far back an LZ4 match can point.
const window = 64 << 10

// unpackLZ4 writes what one LZ4 block holds, at most limit bytes, to w and says
// how many they were. Memory is that of the window: the libraries for LZ4 unpack
// a bare block into one piece, which a hostile header could make gigabytes.
func unpackLZ4(w io.Writer, src []byte, limit int64) (int64, error) {
	z := lz4{w: w, left: limit, buf: make([]byte, 0, 4*window)}
	err := z.block(src)
	if err == nil {
		err = z.flush(0)
	}
	return limit - z.left, err
}

type lz4 struct {
	w    io.Writer
	left int64
	buf  []byte // the window, and behind it what is not yet written
	done int    // bytes of buf that are written
}

// block decodes sequences: a token with two lengths, literals, and a match that
// all but the last sequence have (lz4_Block_format.md).
func (z *lz4) block(src []byte) error {
	for len(src) > 0 {
		token := src[0]
		literals, rest, ok := lz4Length(int(token>>4), src[1:])
		if !ok || literals > len(rest) {
			return errLZ4
		}
		if err := z.literals(rest[:literals]); err != nil {
			return err
		}
		src = rest[literals:]
		if len(src) == 0 {
			return nil
		}
		if len(src) < 2 {
			return errLZ4
		}
		distance := int(src[0]) | int(src[1])<<8
		match, rest, ok := lz4Length(int(token&15), src[2:])
		if !ok {
			return errLZ4
		}
		if err := z.match(distance, match+4); err != nil {
			return err
		}
		src = rest
	}
	return errLZ4 // it must end with literals
}

// lz4Length is a length whose first four bits are n: 15 goes on in the bytes
// that follow, as long as they are 255.
func lz4Length(n int, src []byte) (length int, rest []byte, ok bool) {
	if n < 15 {
		return n, src, true
	}
	for i, b := range src {
		if n += int(b); b != 255 {
			return n, src[i+1:], true
		}
	}
	return 0, nil, false
}

func (z *lz4) literals(p []byte) error {
	for len(p) > 0 {
		n, err := z.room(len(p))
		if err != nil {
			return err
		}
		z.buf = append(z.buf, p[:n]...)
		p = p[n:]
	}
	return nil
}

func (z *lz4) match(distance, length int) error {
	if distance == 0 || distance > len(z.buf) {
		return errLZ4
	}
	for length > 0 {
		// A match may overlap what it makes: it repeats the last bytes then.
		n, err := z.room(min(length, distance))
		if err != nil {
			return err
		}
		from := len(z.buf) - distance
		z.buf = append(z.buf, z.buf[from:from+n]...)
		length -= n
	}
	return nil
}

// room makes place for up to n bytes and says for how many there is.
func (z *lz4) room(n int) (int, error) {
	if z.left == 0 {
		return 0, errLZ4
	}
	if len(z.buf) == cap(z.buf) {
		if err := z.flush(window); err != nil {
			return 0, err
		}
	}
	n = int(min(int64(n), z.left, int64(cap(z.buf)-len(z.buf))))
	z.left -= int64(n)
	return n, nil
}

// flush writes what is not yet written and leaves the last keep bytes.
func (z *lz4) flush(keep int) error {
	if _, err := z.w.Write(z.buf[z.done:]); err != nil {
		return err
	}
	n := copy(z.buf, z.buf[max(0, len(z.buf)-keep):])
	z.buf, z.done = z.buf[:n], n
	return nil
}
