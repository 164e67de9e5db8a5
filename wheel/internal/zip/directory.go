package zip

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

const (
	entryLen = 46

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagPatched    = 1 << 5
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	extraZip64       = 0x0001
	extraUnicodePath = 0x7075
)

// readDirectory reads the entries of the central directory one by one.
func (a *Archive) readDirectory(e end, report Report) error {
	r := bufio.NewReaderSize(io.NewSectionReader(a.r, e.offset, e.length), 64<<10)
	// The records bound the count better than what the archive claims.
	a.Members = make([]Member, 0, min(int64(e.entries), e.length/entryLen))
	var buf []byte
	for {
		_, err := r.Peek(1)
		if err == nil {
			err = a.readEntry(r, &buf, report)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading entry %d of the central directory: %w", len(a.Members)+1, err)
		}
	}
	if uint64(len(a.Members)) != e.entries {
		report("entry-count", "", fmt.Sprintf("the archive says that it has %d members, but its directory has %d", e.entries, len(a.Members)))
	}
	return nil
}

// readEntry reads one entry; buf is used again for the next.
func (a *Archive) readEntry(r io.Reader, buf *[]byte, report Report) error {
	var b [entryLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil || string(b[:4]) != entrySignature {
		return cmp.Or(unexpected(err), errors.New("an entry is missing where one should begin"))
	}
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	*buf = slices.Grow((*buf)[:0], nameLen+extraLen+commentLen)[:nameLen+extraLen+commentLen]
	if _, err := io.ReadFull(r, *buf); err != nil {
		return unexpected(err)
	}
	m := Member{
		Name:       string((*buf)[:nameLen]),
		flags:      le.Uint16(b[8:]),
		Method:     le.Uint16(b[10:]),
		CRC32:      le.Uint32(b[16:]),
		Compressed: int64(le.Uint32(b[20:])),
		Size:       int64(le.Uint32(b[24:])),
		mode:       uint16(le.Uint32(b[38:]) >> 16),
		header:     int64(le.Uint32(b[42:])),
	}
	x, err := parseExtra((*buf)[nameLen : nameLen+extraLen])
	if err != nil {
		report("extra-field", m.Name, err.Error())
	}
	if err := x.widen(&m.Size, &m.Compressed, &m.header); err != nil {
		report("zip64", m.Name, err.Error())
	}
	if le.Uint16(b[34:]) != 0 {
		report("multi-disk", m.Name, "the member says that it is on another disk")
	}
	m.checkFlags(report)
	m.checkName(x, report)
	a.Members = append(a.Members, m)
	return nil
}

// unexpected makes an end of the directory in the middle of an entry an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the entry is longer than the directory")
	}
	return err
}

func (m *Member) checkFlags(report Report) {
	if m.flags&(flagEncrypted|flagStrong|flagMasked) != 0 {
		report("encrypted", m.Name, "the member is encrypted")
		m.unreadable = true
	}
	if m.flags&flagPatched != 0 {
		report("compression-method", m.Name, "the member is compressed patched data")
		m.unreadable = true
	}
	switch m.Method {
	case Deflate, Zstd:
	case Stored:
		if m.Size != m.Compressed {
			report("local-header", m.Name, fmt.Sprintf("a stored member of %d bytes says that it has %d", m.Compressed, m.Size))
		}
	default:
		report("compression-method", m.Name, fmt.Sprintf("compression method %d is not one of stored, deflate, zstd", m.Method))
		m.unreadable = true
	}
}

// checkName refuses names that two readers would spell differently: without
// the UTF-8 flag a name is code page 437 to one and raw bytes to the other.
func (m *Member) checkName(x extra, report Report) {
	ascii := true
	for i := range len(m.Name) {
		ascii = ascii && m.Name[i] < utf8.RuneSelf
	}
	if !utf8.ValidString(m.Name) {
		report("name-encoding", m.Name, "the name is not valid UTF-8")
	} else if !ascii && m.flags&flagUTF8 == 0 {
		report("name-encoding", m.Name, "the name is not ASCII and not marked as UTF-8; installers would spell it differently")
	}
	if x.unicodePath != "" && x.unicodePath != m.Name {
		report("name-encoding", m.Name, fmt.Sprintf("the name is %q in an extra field", x.unicodePath))
	}
}

// extra holds what a reader takes from the extra fields.
type extra struct {
	zip64       []byte
	unicodePath string
}

func parseExtra(b []byte) (extra, error) {
	var x extra
	var path bool
	for len(b) >= 4 {
		id, n := le.Uint16(b), int(le.Uint16(b[2:]))
		if 4+n > len(b) {
			return x, fmt.Errorf("extra field %#04x is longer than the space for it", id)
		}
		body := b[4 : 4+n]
		b = b[4+n:]
		switch {
		case id == extraZip64 && x.zip64 != nil, id == extraUnicodePath && path:
			return x, fmt.Errorf("two extra fields %#04x", id)
		case id == extraZip64:
			x.zip64 = body
		case id == extraUnicodePath && n > 5:
			path, x.unicodePath = true, string(body[5:])
		}
	}
	// Alignment tools pad with fewer than four zero bytes.
	for _, c := range b {
		if c != 0 {
			return x, fmt.Errorf("%d bytes after the last extra field", len(b))
		}
	}
	return x, nil
}

// widen replaces the values that say "see the zip64 extra field". That holds
// only those, or, as some writers have it, all of them up to the last; then
// the others must agree.
func (x extra) widen(values ...*int64) error {
	if x.zip64 == nil {
		return nil // 4 GiB - 1 is then what it says
	}
	wide := make([]int64, len(x.zip64)/8)
	for i := range wide {
		v := le.Uint64(x.zip64[8*i:])
		if v > 1<<62 {
			return fmt.Errorf("the zip64 extra field says %d bytes", v)
		}
		wide[i] = int64(v)
	}
	var asked []*int64
	for _, v := range values {
		if *v == 0xffffffff {
			asked = append(asked, v)
		}
	}
	rest := len(x.zip64) % 8
	switch {
	case len(wide) == len(asked):
	case len(wide) > len(asked) && len(wide) <= len(values):
		asked = values[:len(wide)]
	default:
		return fmt.Errorf("the zip64 extra field has %d bytes for %d values", len(x.zip64), len(asked))
	}
	if rest != 0 {
		return fmt.Errorf("the zip64 extra field has %d bytes for %d values", len(x.zip64), len(asked))
	}
	for i, v := range asked {
		if *v != 0xffffffff && *v != wide[i] {
			return fmt.Errorf("the zip64 extra field says %d, but the header says %d", wide[i], *v)
		}
		*v = wide[i]
	}
	return nil
}
