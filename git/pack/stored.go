package pack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"io"
)

// A blob is kept as stored deflate blocks, which zlib's level 0 makes: a
// checkout then copies and hashes, where inflating would take most of its
// time. For every git it is an object like any other. See RFC 1950 and 1951.
//
//	0x78 0x01
//	  0 (1 in the last) length(2) ^length(2) bytes             ... one or more
//	adler32(4)

// maxBlock is the most that a stored block holds.
const maxBlock = 1<<16 - 1

// maxGrowth bounds what a pack grows by: a blob that zlib makes smaller than
// this stays as it came. Text never is that small; bombs are.
const maxGrowth = 16

func storable(content, came []byte) bool { return len(content) <= maxGrowth*len(came) }

// writeStored writes content as zlib data of stored blocks.
func writeStored(w io.Writer, content []byte) error {
	head := []byte{0x78, 0x01}
	for rest := content; ; {
		block := rest[:min(len(rest), maxBlock)]
		rest = rest[len(block):]
		last := byte(0)
		if len(rest) == 0 {
			last = 1
		}
		head = append(head, last)
		head = binary.LittleEndian.AppendUint16(head, uint16(len(block)))
		head = binary.LittleEndian.AppendUint16(head, ^uint16(len(block)))
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
		if head = head[:0]; last == 1 {
			break
		}
	}
	_, err := w.Write(binary.BigEndian.AppendUint32(nil, adler32.Checksum(content)))
	return err
}

// isStored reports whether the zlib data that r stands at begins with a stored
// block as writeStored makes it.
func isStored(r *bufio.Reader) bool {
	head, err := r.Peek(3)
	return err == nil && head[0] == 0x78 && head[1] == 0x01 && head[2]&^1 == 0
}

// readStored reads such data, which must have the size given, in buf when it
// fits. Whoever calls it compares the content with its SHA-1, so the Adler-32
// is not looked at. Data that goes on in other blocks is errNotStored.
func readStored(r *bufio.Reader, size int64, buf []byte) ([]byte, error) {
	if _, err := r.Discard(2); err != nil {
		return nil, err
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, 0, size)
	}
	buf = buf[:0]
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, noEOF(err)
		}
		n := binary.LittleEndian.Uint16(head[1:])
		if head[0]&^1 != 0 {
			return nil, errNotStored
		}
		if n != ^binary.LittleEndian.Uint16(head[3:]) || int64(len(buf))+int64(n) > size {
			return nil, errors.New("a stored block has an invalid length")
		}
		at := len(buf)
		buf = buf[:at+int(n)]
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return nil, noEOF(err)
		}
		if head[0] == 1 {
			break
		}
	}
	if int64(len(buf)) != size {
		return nil, errors.New("an object is shorter than its header says")
	}
	return buf, nil
}

var errNotStored = errors.New("the data continues in another form")
