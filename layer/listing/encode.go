package listing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A list is the line of format, then entries, then an entry of kind 0 that says
// it is whole. Of an entry come kind (a byte), mode, uid, gid, size, and as
// length and bytes name and link; then 0, or 1 and the content. Numbers are
// unsigned varints.
const format = "sparkwheel listing 1\n"

var errNotList = errors.New("it is not a layer's list, or incomplete")

type encoder struct {
	out *bufio.Writer
	buf []byte
}

func newEncoder(w io.Writer) *encoder {
	e := &encoder{out: bufio.NewWriterSize(w, 64<<10)}
	_, _ = e.out.WriteString(format) // an error stays, and Flush gives it
	return e
}

func (enc *encoder) add(e *Entry) error {
	b := append(enc.buf[:0], e.Kind)
	for _, n := range []int64{e.Mode, int64(e.UID), int64(e.GID), e.Size} {
		if n < 0 {
			return fmt.Errorf("a header with the number %d", n)
		}
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendText(appendText(b, e.Name), e.Link)
	if e.Kept {
		b = appendText(append(b, 1), string(e.Content))
	} else {
		b = append(b, 0)
	}
	enc.buf = b
	_, err := enc.out.Write(b)
	return err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (enc *encoder) end() error {
	_ = enc.out.WriteByte(0)
	return enc.out.Flush()
}

type decoder struct {
	in  *bufio.Reader
	buf []byte
	err error
}

func newDecoder(r io.Reader) (*decoder, error) {
	d := &decoder{in: bufio.NewReaderSize(r, 64<<10)}
	found := make([]byte, len(format))
	if _, err := io.ReadFull(d.in, found); err != nil || string(found) != format {
		return nil, errNotList
	}
	return d, nil
}

// next is the next entry, io.EOF after the last of a whole list.
func (d *decoder) next() (e Entry, err error) {
	kind, err := d.in.ReadByte()
	if err != nil {
		return e, errNotList
	}
	if kind == 0 {
		return e, io.EOF
	}
	e.Kind = kind
	e.Mode, e.UID, e.GID, e.Size = int64(d.number()), int(d.number()), int(d.number()), int64(d.number())
	e.Name = string(d.text(maxName))
	e.Link = string(d.text(maxName))
	if kept, err := d.in.ReadByte(); err == nil && kept == 1 {
		e.Content, e.Kept = append([]byte{}, d.text(maxKept)...), true
	} else if err != nil {
		d.err = err
	}
	if d.err != nil {
		return e, errNotList
	}
	return e, nil
}

func (d *decoder) number() uint64 {
	n, err := binary.ReadUvarint(d.in)
	if err != nil {
		d.err = err
	}
	return n
}

// text is good until the next one.
func (d *decoder) text(most uint64) []byte {
	n := d.number()
	if d.err != nil || n > most {
		d.err = errNotList
		return nil
	}
	if uint64(cap(d.buf)) < n {
		d.buf = make([]byte, n)
	}
	if _, err := io.ReadFull(d.in, d.buf[:n]); err != nil {
		d.err = err
	}
	return d.buf[:n]
}
