package inspect

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/fatbin"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/internal/sparse"
)

// What is kept of an ELF file while it comes by. The tables that the loader
// reads stand at its beginning; patchelf moves some of them into a segment of
// their own at the end; the section table is the last thing in the file, the
// sections' names before it. What lies elsewhere comes with the next reading.
const (
	keptHead  = 8 << 20
	keptTail  = 1 << 20 // before the section table
	keptData  = 8 << 20 // a writable segment, if it is not larger
	maxTable  = 64 << 20
	maxKept   = 160 << 20
	maxPieces = 512
	segments  = 56 // bytes of a program header
	sections  = 64 // bytes of a section header
	maxInFile = 1 << 42
)

// errElsewhere says that bytes were not kept, and will be the next time.
var errElsewhere = errors.New("not kept")

// elfFile reads one ELF file. Its methods stand in elf.go (what is kept),
// tables.go (segments and sections), dynamic.go and containers.go.
type elfFile struct {
	file   *File
	opts   Options
	header elf.Header64
	plain  bool // 64 bits, little-endian: all of it is read

	buf     sparse.Buffer
	kept    int64 // bytes that buf was asked to keep
	pieces  int   // in as many pieces
	stop    int64 // offset at which the program headers are complete; 0 when they were read
	missing bool  // something was not kept

	segments []elf.Prog64
	sections []section
	strings  *stringTable
	versions map[uint16]symbolVersion // by index of the version table

	scan    fatbin.Scanner
	found   []fatbin.Found
	spans   []section // of fatbins that are looked for once more, where they are
	spanned []fatbin.Scanner
}

func newELF(path string, o Options, head []byte) *elfFile {
	e := &elfFile{file: &File{Path: path}, opts: o, scan: fatbin.Scanner{Kernels: o.Kernels}}
	e.readHeader(head)
	if !e.plain {
		return e
	}
	e.keep(0, keptHead)
	h := &e.header
	if table := int64(h.Phnum) * segments; h.Phoff < maxInFile && table > 0 {
		e.keep(int64(h.Phoff), table)
		e.stop = int64(h.Phoff) + table
	}
	if h.Shoff > 0 && h.Shoff < maxInFile {
		from := max(0, int64(h.Shoff)-keptTail)
		e.keep(from, int64(h.Shoff)-from+int64(max(h.Shnum, 1))*sections)
	}
	return e
}

// readHeader reads the file's header; of other classes and byte orders only
// what they share.
func (e *elfFile) readHeader(b []byte) {
	f, h := e.file, &e.header
	copy(h.Ident[:], b)
	if len(b) < headSize {
		return
	}
	f.Bits = 64
	if elf.Class(b[elf.EI_CLASS]) == elf.ELFCLASS32 {
		f.Bits = 32
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(b[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order, f.BigEndian = binary.BigEndian, true
	}
	h.Type, h.Machine = order.Uint16(b[16:]), order.Uint16(b[18:])
	f.Machine = machineName(elf.Machine(h.Machine), f.Bits)
	switch elf.Type(h.Type) {
	case elf.ET_DYN:
		f.Kind = Library
	case elf.ET_EXEC:
		f.Kind = Executable
	case elf.ET_REL:
		f.Kind = Object
	default:
		f.Kind = OtherELF
	}
	if e.plain = f.Bits == 64 && !f.BigEndian; e.plain {
		h.Phoff, h.Shoff = order.Uint64(b[32:]), order.Uint64(b[40:])
		h.Phentsize, h.Phnum = order.Uint16(b[54:]), order.Uint16(b[56:])
		h.Shentsize, h.Shnum, h.Shstrndx = order.Uint16(b[58:]), order.Uint16(b[60:]), order.Uint16(b[62:])
	}
}

// keep asks for n bytes from off on, as far as memory and time go.
func (e *elfFile) keep(off, n int64) bool {
	if e.kept+n > maxKept || e.pieces == maxPieces {
		return false
	}
	e.kept, e.pieces = e.kept+n, e.pieces+1
	e.buf.Keep(off, off+n)
	return true
}

func (e *elfFile) Write(p []byte) (int, error) {
	n := len(p)
	e.search(p)
	for len(p) > 0 && e.plain {
		// The program headers say what is worth keeping: they are read before
		// a byte behind them goes by.
		used := len(p)
		if left := e.stop - e.buf.Offset(); left > 0 && left < int64(used) {
			used = int(left)
		}
		_, _ = e.buf.Write(p[:used])
		if e.stop > 0 && e.buf.Offset() >= e.stop {
			e.keepSegments()
		}
		p = p[used:]
	}
	return n, nil
}

// keepSegments keeps what the program headers point to.
func (e *elfFile) keepSegments() {
	e.stop = 0
	table, ok := e.buf.Bytes(int64(e.header.Phoff), int64(e.header.Phnum)*segments)
	if !ok {
		return
	}
	for ; len(table) > 0; table = table[segments:] {
		s := parseSegment(table)
		if s.Off > maxInFile || s.Filesz > keptData {
			continue
		}
		switch t := elf.ProgType(s.Type); {
		case t == elf.PT_DYNAMIC, t == elf.PT_NOTE, t == elf.PT_INTERP,
			t == elf.PT_LOAD && elf.ProgFlag(s.Flags)&elf.PF_W != 0:
			e.keep(int64(s.Off), int64(s.Filesz))
		}
	}
}

// at are n bytes of the file from off on. Where they were not kept, it asks for
// them and fails with errElsewhere.
func (e *elfFile) at(off, n uint64, what string) ([]byte, error) {
	size := uint64(e.file.Size)
	if off > size || n > size-off {
		return nil, fmt.Errorf("%s is beyond the end of the file", what)
	}
	if n > maxTable {
		return nil, fmt.Errorf("%s has %d bytes, more than the limit", what, n)
	}
	if b, ok := e.buf.Bytes(int64(off), int64(n)); ok {
		return b, nil
	}
	if !e.keep(int64(off), int64(n)) {
		return nil, fmt.Errorf("%s exceeds the memory limit of a file", what)
	}
	e.missing = true
	return nil, errElsewhere
}

// finish puts the file together from what was kept.
func (e *elfFile) finish(size int64) ([]*File, bool, error) {
	f := e.file
	f.Size = size
	e.missing = false
	if e.found == nil {
		e.found = append(make([]fatbin.Found, 0, 1), e.scan.Found()...)
		e.scan = fatbin.Scanner{}
	}
	err := e.read()
	e.buf.Rewind()
	if errors.Is(err, errElsewhere) {
		return nil, true, nil
	}
	return []*File{f}, false, err
}

func (e *elfFile) read() error {
	if e.file.Bits == 0 {
		return errors.New("the file is truncated in its header")
	}
	for _, step := range []func() error{e.readSegments, e.readSections, e.readDynamic, e.readContainers} {
		// What one step misses, the others may miss too: ask for all of it at once.
		if err := step(); err != nil && !errors.Is(err, errElsewhere) {
			return err
		}
	}
	if e.missing {
		return errElsewhere
	}
	return nil
}
