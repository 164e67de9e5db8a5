// Package elftest makes ELF files and fatbins for tests: sound ones in a line,
// or ones that lie in a chosen place.
package elftest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// ELF is a 64-bit little-endian file to be made. The zero value is a library
// for aarch64 that needs nothing.
type ELF struct {
	Type    elf.Type    // ET_DYN unless it is changed
	Machine elf.Machine // EM_AARCH64 unless it is changed
	Align   uint64      // of the segments; 64 KiB unless it is changed

	Interpreter, SONAME string
	Needed              []string
	RPath, RunPath      string
	Versions            []Needed
	BuildID             []byte
	Symbols             []Symbol

	// Fatbin and RelFatbin are the content of .nv_fatbin and __nv_relfatbin.
	Fatbin, RelFatbin []byte
	// Before is content ahead of them, as large code is.
	Before []byte
	// Stripped leaves the section table out.
	Stripped bool
}

// Needed are the symbol versions needed of a library.
type Needed struct {
	Library  string
	Versions []string
}

// Symbol is one of the dynamic symbol table. A version of an undefined symbol
// must be among the ELF's Versions; that of a defined one is defined by it.
type Symbol struct {
	Name, Version string
	Defined, Weak bool
	Hidden        bool // STV_HIDDEN
	Object        bool // data, not a function
}

var le = binary.LittleEndian

const baseVersion = 2 // the first index that a version can have

// builder lays the file out: header, program headers, then every section.
type builder struct {
	ELF
	out      []byte
	strings  []byte
	names    []byte
	sections []byte
	count    int
	dynamic  []byte
	at       map[string]uint64
}

// Bytes is the file.
func (e ELF) Bytes() []byte {
	if e.Type == 0 {
		e.Type = elf.ET_DYN
	}
	if e.Machine == 0 {
		e.Machine = elf.EM_AARCH64
	}
	if e.Align == 0 {
		e.Align = 64 << 10
	}
	b := &builder{ELF: e, strings: []byte{0}, names: []byte{0}, at: map[string]uint64{}}
	b.section("", elf.SHT_NULL, 0, nil)
	b.out = make([]byte, 64+56*5)
	b.build()
	return b.out
}

func (b *builder) build() {
	tag := func(t elf.DynTag, v uint64) { b.dynamic = le.AppendUint64(le.AppendUint64(b.dynamic, uint64(t)), v) }
	str := func(t elf.DynTag, s string) {
		if s != "" {
			tag(t, b.str(s))
		}
	}
	for _, n := range b.Needed {
		str(elf.DT_NEEDED, n)
	}
	str(elf.DT_SONAME, b.SONAME)
	str(elf.DT_RPATH, b.RPath)
	str(elf.DT_RUNPATH, b.RunPath)
	verneed, versions := b.verneed()
	verdef, defined := b.verdef()
	symtab, versym := b.symtab(versions, defined)

	var note []byte
	if b.BuildID != nil {
		note = le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 4), uint32(len(b.BuildID))), 3)
		note = append(append(note, "GNU\x00"...), b.BuildID...)
	}
	interp := []byte(b.Interpreter)
	if len(interp) > 0 {
		interp = append(interp, 0)
	}
	noteAt := b.section(".note.gnu.build-id", elf.SHT_NOTE, 0, note)
	interpAt := b.section(".interp", elf.SHT_PROGBITS, 0, interp)
	tag(elf.DT_SYMTAB, b.section(".dynsym", elf.SHT_DYNSYM, 24, symtab))
	tag(elf.DT_STRTAB, b.section(".dynstr", elf.SHT_STRTAB, 0, b.strings))
	tag(elf.DT_STRSZ, uint64(len(b.strings)))
	tag(elf.DT_HASH, b.section(".hash", elf.SHT_HASH, 4, hashTable(len(symtab)/24)))
	if len(versym) > 0 {
		tag(elf.DT_VERSYM, b.section(".gnu.version", elf.SHT_GNU_VERSYM, 2, versym))
	}
	if len(b.Versions) > 0 {
		tag(elf.DT_VERNEED, b.section(".gnu.version_r", elf.SHT_GNU_VERNEED, 0, verneed))
		tag(elf.DT_VERNEEDNUM, uint64(len(b.Versions)))
	}
	if len(verdef) > 0 {
		tag(elf.DT_VERDEF, b.section(".gnu.version_d", elf.SHT_GNU_VERDEF, 0, verdef))
		tag(elf.DT_VERDEFNUM, uint64(len(defined)))
	}
	b.section(".text", elf.SHT_PROGBITS, 0, b.Before)
	b.section(".nv_fatbin", elf.SHT_PROGBITS, 0, b.Fatbin)
	b.section("__nv_relfatbin", elf.SHT_PROGBITS, 0, b.RelFatbin)
	tag(elf.DT_NULL, 0)
	dynamicAt := b.section(".dynamic", elf.SHT_DYNAMIC, 16, b.dynamic)
	end := uint64(len(b.out))
	b.finish()

	b.program(0, elf.PT_LOAD, 0, end)
	b.program(1, elf.PT_DYNAMIC, dynamicAt, uint64(len(b.dynamic)))
	b.program(2, elf.PT_NOTE, noteAt, uint64(len(note)))
	if len(interp) > 0 {
		b.program(3, elf.PT_INTERP, interpAt, uint64(len(interp)))
	}
	b.program(4, elf.PT_GNU_STACK, 0, 0)
}

// finish writes the section table and the header.
func (b *builder) finish() {
	h := b.out
	copy(h, elf.ELFMAG)
	h[4], h[5], h[6] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	le.PutUint16(h[16:], uint16(b.Type))
	le.PutUint16(h[18:], uint16(b.Machine))
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[32:], 64)
	le.PutUint16(h[52:], 64)
	le.PutUint16(h[54:], 56)
	if b.Type != elf.ET_REL {
		le.PutUint16(h[56:], 5)
	}
	le.PutUint16(h[58:], 64)
	if b.Stripped {
		return
	}
	// The table of names contains its own name.
	at := len(b.names)
	b.names = append(append(b.names, ".shstrtab"...), 0)
	start := b.align(8)
	b.out = append(b.out, b.names...)
	b.header(uint32(at), elf.SHT_STRTAB, start, uint64(len(b.names)), 0)
	table := b.align(8)
	b.out = append(b.out, b.sections...)
	h = b.out
	le.PutUint64(h[40:], table)
	le.PutUint16(h[60:], uint16(b.count))
	le.PutUint16(h[62:], uint16(b.count-1))
}

func (b *builder) program(i int, t elf.ProgType, off, size uint64) {
	p := b.out[64+56*i:]
	if t != elf.PT_GNU_STACK && size == 0 {
		t = elf.PT_NULL
	}
	le.PutUint32(p, uint32(t))
	le.PutUint32(p[4:], uint32(elf.PF_R|elf.PF_X))
	for _, field := range []int{8, 16, 24} {
		le.PutUint64(p[field:], off)
	}
	le.PutUint64(p[32:], size)
	le.PutUint64(p[40:], size)
	le.PutUint64(p[48:], 8)
	if t == elf.PT_LOAD {
		le.PutUint64(p[48:], b.Align)
	}
}

// section appends content and its header, and says at which offset, which is
// its address too. Empty content makes no section.
func (b *builder) section(name string, t elf.SectionType, entry uint64, content []byte) uint64 {
	if len(content) == 0 && t != elf.SHT_NULL {
		return uint64(len(b.out))
	}
	at := uint64(0)
	if t != elf.SHT_NULL {
		at = b.align(8)
	}
	nameAt := len(b.names)
	if name == "" {
		nameAt = 0
	} else {
		b.names = append(append(b.names, name...), 0)
	}
	b.out = append(b.out, content...)
	b.header(uint32(nameAt), t, at, uint64(len(content)), entry)
	return at
}

func (b *builder) header(name uint32, t elf.SectionType, at, size, entry uint64) {
	h := make([]byte, 64)
	le.PutUint32(h, name)
	le.PutUint32(h[4:], uint32(t))
	le.PutUint64(h[16:], at)
	le.PutUint64(h[24:], at)
	le.PutUint64(h[32:], size)
	le.PutUint64(h[48:], 8)
	le.PutUint64(h[56:], entry)
	b.sections = append(b.sections, h...)
	b.count++
}

func (b *builder) align(n int) uint64 {
	b.out = append(b.out, make([]byte, -len(b.out)&(n-1))...)
	return uint64(len(b.out))
}

// str is the offset of a string in the dynamic string table.
func (b *builder) str(s string) uint64 {
	if at := bytes.Index(b.strings, append(append([]byte{0}, s...), 0)); at >= 0 {
		return uint64(at + 1)
	}
	at := len(b.strings)
	b.strings = append(append(b.strings, s...), 0)
	return uint64(at)
}

// hashTable is a DT_HASH of one bucket without a chain: it tells how many
// symbols there are, and finds none.
func hashTable(symbols int) []byte {
	t := make([]byte, 4*(3+symbols))
	le.PutUint32(t, 1)
	le.PutUint32(t[4:], uint32(symbols))
	return t
}
