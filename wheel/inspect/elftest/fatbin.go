package elftest

import (
	"bytes"
	"debug/elf"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Flags of an entry.
const (
	Debug    = 1 << 1
	LZ4      = 1 << 13
	Zstd     = 1 << 15
	Specific = 1 << 20 // "a"
	Family   = 1 << 21 // "f"
)

// Entry is an entry of a fatbin container to be made.
type Entry struct {
	Kind         uint16 // 1 PTX, 2 cubin, 8 intermediate code
	SM           uint32
	Flags        uint64
	Major, Minor uint16 // of PTX
	Name         string // of the source file
	Payload      []byte
	// Uncompressed is the size that a compressed payload claims to have.
	Uncompressed uint64
	// Change changes the finished header; nil keeps it.
	Change func(header []byte)
}

// SASS is machine code with n kernels; flags tell the suffix.
func SASS(sm uint32, flags uint64, n int) Entry {
	return Entry{Kind: 2, SM: sm, Flags: flags | 0x11, Payload: Cubin(sm, n)}
}

// PTX is text with one kernel, compressed by zstd.
func PTX(sm uint32, flags uint64, major, minor uint16) Entry {
	text := []byte("\n.version 9.0\n.target sm_x\n.visible .entry k(\n)\n{\nret;\n}\n")
	e, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // there are no options to be wrong
	}
	return Entry{Kind: 1, SM: sm, Flags: flags | Zstd | 0x11, Major: major, Minor: minor, Payload: e.EncodeAll(text, nil), Uncompressed: uint64(len(text))}
}

// Container is a fatbin container of entries.
func Container(entries ...Entry) []byte {
	var body []byte
	for _, e := range entries {
		body = append(body, e.bytes()...)
	}
	b := []byte{0x50, 0xED, 0x55, 0xBA, 1, 0, 16, 0}
	return append(le.AppendUint64(b, uint64(len(body))), body...)
}

func (e Entry) bytes() []byte {
	name := []byte(e.Name)
	h := make([]byte, 64+(len(name)+7)&^7)
	payload := append(slices.Clone(e.Payload), make([]byte, -len(e.Payload)&7)...)
	le.PutUint16(h, e.Kind)
	le.PutUint16(h[2:], 0x101)
	le.PutUint32(h[4:], uint32(len(h)))
	le.PutUint64(h[8:], uint64(len(payload)))
	if e.Flags&(LZ4|Zstd) != 0 {
		le.PutUint32(h[16:], uint32(len(e.Payload)))
		le.PutUint64(h[56:], e.Uncompressed)
	}
	le.PutUint16(h[24:], e.Minor)
	le.PutUint16(h[26:], e.Major)
	le.PutUint32(h[28:], e.SM)
	if len(name) > 0 {
		le.PutUint32(h[32:], 64)
		le.PutUint32(h[36:], uint32(len(name)))
		copy(h[64:], name)
	}
	le.PutUint64(h[40:], e.Flags)
	if e.Change != nil {
		e.Change(h)
	}
	return append(h, payload...)
}

// Cubin is GPU code with n kernels, as ptxas of CUDA 13 lays it out: names and
// symbols before the section table.
func Cubin(sm uint32, n int) []byte {
	names := []byte("\x00.shstrtab\x00.strtab\x00.symtab\x00.text\x00")
	at := func(name string) uint32 { return uint32(bytes.Index(names, []byte(name))) }
	b := make([]byte, 64)
	strs := append(slices.Clone(b), names...)
	symbols := make([]byte, 24, 24*(n+1))
	for range n {
		s := make([]byte, 24)
		s[4], s[5] = byte(elf.STB_GLOBAL)<<4|byte(elf.STT_FUNC), 0x10
		le.PutUint16(s[6:], 4)
		symbols = append(symbols, s...)
	}
	b = append(strs, make([]byte, -len(strs)&7)...)
	symbolsAt := uint64(len(b))
	b = append(b, symbols...)
	table := uint64(len(b))
	header := func(name string, t elf.SectionType, off, size uint64) {
		h := make([]byte, 64)
		if name != "" {
			le.PutUint32(h, at(name))
		}
		le.PutUint32(h[4:], uint32(t))
		le.PutUint64(h[24:], off)
		le.PutUint64(h[32:], size)
		b = append(b, h...)
	}
	header("", elf.SHT_NULL, 0, 0)
	header(".shstrtab", elf.SHT_STRTAB, 64, uint64(len(names)))
	header(".strtab", elf.SHT_STRTAB, 64, 1)
	header(".symtab", elf.SHT_SYMTAB, symbolsAt, uint64(len(symbols)))
	header(".text", elf.SHT_PROGBITS, symbolsAt, 0)
	copy(b, elf.ELFMAG)
	b[4], b[5], b[6], b[7], b[8] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1, 0x41, 8
	le.PutUint16(b[16:], uint16(elf.ET_EXEC))
	le.PutUint16(b[18:], 190)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], table)
	le.PutUint32(b[48:], 0x06000002|sm<<8)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 5)
	le.PutUint16(b[62:], 1)
	return b
}
