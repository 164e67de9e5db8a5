// Package fatbin finds NVIDIA's fatbin containers in bytes that pass by and
// lists what is in them. It holds no container in memory and reads no byte twice.
package fatbin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// maxEntries bounds the memory that a file's entries take.
const maxEntries = 1 << 18

// Found is a place that begins as a container does.
type Found struct {
	cuda.Container
	// End is the offset behind the container.
	End int64
	// Err says why it is none, or a damaged one; nil for a sound one.
	Err error
}

// Scanner is an io.Writer that finds containers at offsets divisible by 8. It
// never fails: what is wrong with a container stands in its Found.
//
// Set the fields before the first Write.
type Scanner struct {
	// Offset is that of the next byte in the file.
	Offset int64
	// Kernels counts the entry points of every entry, which takes unpacking it;
	// else those of small ones only, so that empty containers are known as such.
	Kernels bool

	found   []Found
	entries int
	state   state
	head    []byte // what is gathered of a header
	left    int64  // bytes of the container behind what was used
	entry   header
	payload int64 // bytes of the entry's payload still to come
	sink    sink  // takes the payload; nil where nobody needs it
	counter counter
}

type state uint8

const (
	searching state = iota
	inContainerHeader
	inEntryHeader // the part that all entries have
	inEntryExtra  // the rest: options and name
	inPayload
)

// Found is what was found so far, in the order of the file. A container that is
// cut off has an Err; the caller must not write any more then.
func (s *Scanner) Found() []Found {
	if s.state >= inEntryHeader {
		s.fail(errors.New("the file ends within the container"))
	}
	return s.found
}

// Within says whether the next byte belongs to a container.
func (s *Scanner) Within() bool { return s.state >= inEntryHeader }

// Write looks at the next bytes of the file.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		before := s.Offset
		switch s.state {
		case searching:
			s.search(p)
		case inContainerHeader:
			s.gather(p, containerHeader, s.begin)
		case inEntryHeader:
			s.gather(p, entryHeader, s.beginEntry)
		case inEntryExtra:
			s.gather(p, int(s.entry.size), s.beginPayload)
		case inPayload:
			s.pass(p)
		}
		p = p[s.Offset-before:]
	}
	return n, nil
}

// search looks for the magic at a multiple of 8 and stops there.
func (s *Scanner) search(p []byte) {
	for at := 0; ; at++ {
		i := bytes.Index(p[at:], magic)
		if i < 0 {
			break
		}
		at += i
		if (s.Offset+int64(at))%8 == 0 {
			s.state = inContainerHeader
			s.Offset += int64(at)
			return
		}
	}
	// The magic may be split between this write and the next.
	n := len(p)
	for k := min(3, n); k > 0; k-- {
		if (s.Offset+int64(n-k))%8 == 0 && bytes.HasPrefix(magic, p[n-k:]) {
			s.state = inContainerHeader
			s.Offset += int64(n - k)
			s.head = append(s.head[:0], p[n-k:]...)
			s.Offset += int64(k)
			return
		}
	}
	s.Offset += int64(n)
}

// gather fills head to n bytes and calls then when they are there.
func (s *Scanner) gather(p []byte, n int, then func()) {
	used := min(len(p), n-len(s.head))
	s.head = append(s.head, p[:used]...)
	s.Offset += int64(used)
	if len(s.head) == n {
		then()
	}
}

// begin reads a container's header. Of what is none, the second half may be one.
func (s *Scanner) begin() {
	le, h := binary.LittleEndian, s.head
	size := le.Uint64(h[8:])
	if !bytes.HasPrefix(h, magic) || le.Uint16(h[4:]) != 1 || le.Uint16(h[6:]) != containerHeader || size > 1<<40 {
		s.state, s.head = searching, s.head[:0]
		if bytes.HasPrefix(h[8:], magic) {
			s.state, s.head = inContainerHeader, append(s.head, h[8:]...)
		}
		return
	}
	s.found = append(s.found, Found{Container: cuda.Container{Offset: s.Offset - containerHeader}, End: s.Offset + int64(size)})
	s.left = int64(size)
	s.next()
}

// next goes on to the next entry of the container, or ends it.
func (s *Scanner) next() {
	s.head = s.head[:0]
	switch {
	case s.left == 0:
		s.state = searching
	case s.left < entryHeader:
		s.fail(fmt.Errorf("%d bytes follow its last entry", s.left))
	default:
		s.state = inEntryHeader
	}
}

func (s *Scanner) fail(err error) {
	s.found[len(s.found)-1].Err = err
	s.state, s.head, s.sink = searching, s.head[:0], nil
}

func (s *Scanner) beginEntry() {
	h, err := parseHeader(s.head, s.left)
	if err == nil && s.entries == maxEntries {
		err = fmt.Errorf("the file has more than %d entries", maxEntries)
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.entries++
	s.entry, s.state = h, inEntryExtra
	s.left -= h.size + h.payload
	if h.size == entryHeader {
		s.beginPayload()
	}
}

func (s *Scanner) beginPayload() {
	c := &s.found[len(s.found)-1].Container
	h := &s.entry
	if h.name >= entryHeader && h.nameN > 0 && h.nameN < h.size && h.name <= h.size-h.nameN && c.Name == "" {
		c.Name = string(bytes.TrimRight(s.head[h.name:][:h.nameN], " \x00"))
	}
	c.Entries = append(c.Entries, h.entry)
	s.head = s.head[:0]
	s.payload, s.state = h.payload, inPayload
	s.sink = s.counter.sink(h, s.Kernels)
	if s.payload == 0 {
		s.endPayload()
	}
}

// pass lets the payload go by, into the sink where there is one.
func (s *Scanner) pass(p []byte) {
	used := int(min(int64(len(p)), s.payload))
	if s.sink != nil {
		_, _ = s.sink.Write(p[:used]) // never fails
	}
	s.payload -= int64(used)
	s.Offset += int64(used)
	if s.payload == 0 {
		s.endPayload()
	}
}

func (s *Scanner) endPayload() {
	if s.sink != nil {
		c := &s.found[len(s.found)-1].Container
		c.Entries[len(c.Entries)-1].Kernels = s.sink.kernels()
		s.sink = nil
	}
	s.next()
}
