package inspect

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const maxSectionCount = 1 << 18

// section is what is read of a section's header.
type section struct {
	name      string
	kind      elf.SectionType
	addr      uint64
	off, size uint64
}

func parseSegment(b []byte) elf.Prog64 {
	le := binary.LittleEndian
	return elf.Prog64{
		Type: le.Uint32(b), Flags: le.Uint32(b[4:]), Off: le.Uint64(b[8:]), Vaddr: le.Uint64(b[16:]),
		Filesz: le.Uint64(b[32:]), Memsz: le.Uint64(b[40:]), Align: le.Uint64(b[48:]),
	}
}

func (e *elfFile) readSegments() error {
	e.segments = nil
	h, f := &e.header, e.file
	if !e.plain || h.Phnum == 0 {
		return nil
	}
	if h.Phentsize != segments {
		return fmt.Errorf("its program headers have %d bytes each", h.Phentsize)
	}
	table, err := e.at(h.Phoff, uint64(h.Phnum)*segments, "the program header table")
	if err != nil {
		return err
	}
	f.Align, f.Misaligned = 0, false
	for ; len(table) > 0; table = table[segments:] {
		s := parseSegment(table)
		e.segments = append(e.segments, s)
		if elf.ProgType(s.Type) == elf.PT_LOAD && s.Align > 1 && s.Align <= maxInFile {
			if f.Align == 0 || int64(s.Align) < f.Align {
				f.Align = int64(s.Align)
			}
			f.Misaligned = f.Misaligned || (s.Vaddr-s.Off)%s.Align != 0
		}
	}
	return e.readNotes()
}

// readNotes reads the build id and the interpreter from their segments.
func (e *elfFile) readNotes() (err error) {
	for _, s := range e.segments {
		var b []byte
		var stepErr error
		switch elf.ProgType(s.Type) {
		case elf.PT_NOTE:
			if b, stepErr = e.at(s.Off, s.Filesz, "a note"); stepErr == nil && e.file.BuildID == "" {
				e.file.BuildID = buildID(b, s.Align)
			}
		case elf.PT_INTERP:
			if b, stepErr = e.at(s.Off, s.Filesz, "the interpreter's name"); stepErr == nil {
				name, _, _ := bytes.Cut(b, []byte{0})
				e.file.Interpreter = string(name)
			}
		}
		if stepErr != nil {
			err = stepErr
			if !errors.Is(err, errElsewhere) {
				return err
			}
		}
	}
	return err
}

// buildID finds the GNU build id among notes: name size, content size, type,
// and both padded.
func buildID(b []byte, align uint64) string {
	const noteBuildID = 3
	pad := func(n uint32) uint64 {
		if align == 8 {
			return (uint64(n) + 7) &^ 7
		}
		return (uint64(n) + 3) &^ 3
	}
	for len(b) >= 12 {
		le := binary.LittleEndian
		nameSize, size := le.Uint32(b), le.Uint32(b[4:])
		kind := le.Uint32(b[8:])
		b = b[12:]
		// The name of a GNU note is padded to four bytes in either alignment.
		name := (uint64(nameSize) + 3) &^ 3
		if name > uint64(len(b)) || uint64(size) > uint64(len(b))-name {
			return ""
		}
		if kind == noteBuildID && size <= 64 && bytes.HasPrefix(b, []byte("GNU\x00")) {
			return hex.EncodeToString(b[name:][:size])
		}
		b = b[min(name+pad(size), uint64(len(b))):]
	}
	return ""
}

func (e *elfFile) readSections() error {
	e.sections = nil
	h := &e.header
	if !e.plain || h.Shoff == 0 {
		return nil
	}
	if h.Shentsize != sections {
		return fmt.Errorf("its section headers have %d bytes each", h.Shentsize)
	}
	first, err := e.at(h.Shoff, sections, "the section table")
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	n, names := uint64(h.Shnum), uint64(h.Shstrndx)
	// More than 65,279 sections are counted in the first of them.
	if n == 0 {
		n = le.Uint64(first[32:])
	}
	if names == uint64(elf.SHN_XINDEX) {
		names = uint64(le.Uint32(first[40:]))
	}
	if n > maxSectionCount {
		return fmt.Errorf("it claims to have %d sections", n)
	}
	table, err := e.at(h.Shoff, n*sections, "the section table")
	if err != nil {
		return err
	}
	list := make([]section, n)
	for i := range list {
		b := table[i*sections:]
		list[i] = section{kind: elf.SectionType(le.Uint32(b[4:])), addr: le.Uint64(b[16:]), off: le.Uint64(b[24:]), size: le.Uint64(b[32:])}
	}
	if names != uint64(elf.SHN_UNDEF) {
		if names >= n {
			return errors.New("the section with the sections' names is missing")
		}
		strs, err := e.at(list[names].off, list[names].size, "the table of the sections' names")
		if err != nil {
			return err
		}
		for i := range list {
			list[i].name = cString(strs, uint64(le.Uint32(table[i*sections:])))
		}
	}
	e.sections = list
	return nil
}

// cString is the string of a table that begins at off, empty beyond its end and
// cut at 4096 bytes.
func cString(table []byte, off uint64) string {
	if off >= uint64(len(table)) {
		return ""
	}
	b := table[off:min(off+4096, uint64(len(table)))]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
