package wheeltest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Member is one member of the archive.
type Member struct {
	Name, Content string
	Mode          uint16 // of Unix, type included; 0100644 unless it is changed
	Stored        bool   // not compressed
	Unlisted      bool   // left out of RECORD
	// Packed replaces the compressed content.
	Packed []byte
	// After stands behind the content, as a data descriptor does.
	After []byte
	// Local and Central change what the two headers say; nil keeps it.
	Local, Central func(*Header)
	// Hidden members have no entry in the central directory.
	Hidden bool
}

// Header is what a local header or an entry of the central directory says.
type Header struct {
	Signature        string
	System           byte // that made it: 3 is Unix
	Flags, Method    uint16
	CRC32            uint32
	Compressed, Size uint32
	Name             string
	Extra            []byte
	Disk             uint16 // from here on of the central directory alone
	Mode             uint32 // external attributes
	Offset           uint32
}

// End is what the end of central directory record says.
type End struct {
	Disk            uint16
	Entries         uint16
	Length, Offset  uint32
	Before, Trailer []byte // bytes before the record and after its comment
}

// UTF8 is the flag for a name in UTF-8, Descriptor the one for a data descriptor.
const (
	Descriptor = 1 << 3
	UTF8       = 1 << 11
)

var le = binary.LittleEndian

// archive writes the members as a zip file.
func archive(members []*Member, comment string, change func(*End)) []byte {
	var file, directory bytes.Buffer
	entries := 0
	for _, m := range members {
		h := Header{
			Signature: "PK\x03\x04", System: 3, Flags: UTF8, Method: 8,
			CRC32: crc32.ChecksumIEEE([]byte(m.Content)), Size: uint32(len(m.Content)),
			Name: m.Name, Mode: uint32(m.Mode) << 16, Offset: uint32(file.Len()),
		}
		packed := m.Packed
		switch {
		case packed != nil:
		case m.Stored || len(m.Content) == 0:
			packed = []byte(m.Content)
		default:
			packed = Deflate(m.Content)
		}
		if m.Stored || len(m.Content) == 0 && m.Packed == nil {
			h.Method = 0
		}
		h.Compressed = uint32(len(packed))
		local, central := h, h
		central.Signature = "PK\x01\x02"
		if m.Local != nil {
			m.Local(&local)
		}
		if m.Central != nil {
			m.Central(&central)
		}
		file.Write(local.local())
		file.Write(packed)
		file.Write(m.After)
		if !m.Hidden {
			directory.Write(central.central())
			entries++
		}
	}
	e := End{Entries: uint16(entries), Length: uint32(directory.Len()), Offset: uint32(file.Len())}
	if change != nil {
		change(&e)
	}
	file.Write(directory.Bytes())
	file.Write(e.Before)
	b := append([]byte("PK\x05\x06"), make([]byte, 18)...)
	le.PutUint16(b[4:], e.Disk)
	le.PutUint16(b[8:], e.Entries)
	le.PutUint16(b[10:], e.Entries)
	le.PutUint32(b[12:], e.Length)
	le.PutUint32(b[16:], e.Offset)
	le.PutUint16(b[20:], uint16(len(comment)))
	file.Write(b)
	file.WriteString(comment)
	file.Write(e.Trailer)
	return file.Bytes()
}

// Deflate compresses content as one raw RFC 1951 stream.
func Deflate(content string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		panic(err) // the level is right
	}
	// A bytes.Buffer takes everything.
	w.Write([]byte(content))
	w.Close()
	return b.Bytes()
}

// Zstd makes m a member of method 93: one zstd frame.
func (m *Member) Zstd() {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // there are no options to be wrong
	}
	m.Packed = e.EncodeAll([]byte(m.Content), nil)
	m.Local = func(h *Header) { h.Method = 93 }
	m.Central = m.Local
}

func (h Header) local() []byte {
	b := append([]byte(h.Signature), make([]byte, 26)...)
	le.PutUint16(b[4:], 20)
	h.common(b[6:])
	le.PutUint16(b[26:], uint16(len(h.Name)))
	le.PutUint16(b[28:], uint16(len(h.Extra)))
	return append(append(b, h.Name...), h.Extra...)
}

func (h Header) central() []byte {
	b := append([]byte(h.Signature), make([]byte, 42)...)
	b[4], b[5] = 20, h.System
	le.PutUint16(b[6:], 20)
	h.common(b[8:])
	le.PutUint16(b[28:], uint16(len(h.Name)))
	le.PutUint16(b[30:], uint16(len(h.Extra)))
	le.PutUint16(b[34:], h.Disk)
	le.PutUint32(b[38:], h.Mode)
	le.PutUint32(b[42:], h.Offset)
	return append(append(b, h.Name...), h.Extra...)
}

// common writes what the two kinds of header share, from the flags on; the
// time is that of 1980.
func (h Header) common(b []byte) {
	le.PutUint16(b[0:], h.Flags)
	le.PutUint16(b[2:], h.Method)
	le.PutUint16(b[6:], 1<<5|1)
	le.PutUint32(b[8:], h.CRC32)
	le.PutUint32(b[12:], h.Compressed)
	le.PutUint32(b[16:], h.Size)
}
