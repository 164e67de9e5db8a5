package inspect

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	symbolSize = 24
	maxSymbols = 1 << 20
)

// Symbol is a global or weak symbol of the dynamic symbol table.
type Symbol struct {
	Name string
	// Version is that which it needs or defines, "GLIBC_2.17"; empty for none.
	Version string
	// Library is the SONAME of the library that is to have the Version, for an
	// undefined symbol.
	Library string
	Type    elf.SymType
	// Undefined symbols are resolved by the loader; that of a Weak one may be
	// missing, and a caller must know.
	Undefined, Weak bool
	// Hidden symbols are not seen by other libraries.
	Hidden bool
	// Old says of a defined version that it is not the one that new programs are
	// linked to (name@V, not name@@V).
	Old bool
}

// symbolVersion is what an index of the version table stands for.
type symbolVersion struct{ version, library string }

// readSymbols reads the dynamic symbol table, if that was asked for.
func (e *elfFile) readSymbols(d *dynamic) error {
	e.file.Symbols = nil
	addr, ok := d.values[elf.DT_SYMTAB]
	if !e.opts.Symbols || !ok {
		return nil
	}
	n, err := e.symbolCount(d)
	if err != nil || n == 0 {
		return err
	}
	table, err := e.table(addr, n*symbolSize, "the dynamic symbol table")
	if err != nil {
		return err
	}
	b, err := e.at(e.strings.off, e.strings.size, "the table of dynamic strings")
	if err != nil {
		return err
	}
	names := string(b)
	var indexes []byte
	if addr, ok := d.values[elf.DT_VERSYM]; ok {
		if indexes, err = e.table(addr, n*2, "the versions of the dynamic symbols"); err != nil {
			return err
		}
		if err := e.readDefinedVersions(d); err != nil {
			return err
		}
	}
	for i := uint64(1); i < n; i++ {
		s, ok := parseSymbol(table[i*symbolSize:], names)
		if !ok {
			continue
		}
		if indexes != nil {
			index := binary.LittleEndian.Uint16(indexes[i*2:])
			v := e.versions[index&0x7FFF]
			s.Version, s.Old = v.version, index&0x8000 != 0 && !s.Undefined
			if s.Undefined {
				s.Library = v.library
			}
		}
		e.file.Symbols = append(e.file.Symbols, s)
	}
	return nil
}

func parseSymbol(b []byte, names string) (Symbol, bool) {
	le := binary.LittleEndian
	bind, kind := elf.ST_BIND(b[4]), elf.ST_TYPE(b[4])
	at := uint64(le.Uint32(b))
	if bind == elf.STB_LOCAL || kind == elf.STT_SECTION || kind == elf.STT_FILE || at >= uint64(len(names)) {
		return Symbol{}, false
	}
	name, _, _ := strings.Cut(names[at:], "\x00")
	visibility := elf.ST_VISIBILITY(b[5])
	return Symbol{
		Name: name, Type: kind, Weak: bind == elf.STB_WEAK,
		Undefined: elf.SectionIndex(le.Uint16(b[6:])) == elf.SHN_UNDEF,
		Hidden:    visibility == elf.STV_HIDDEN || visibility == elf.STV_INTERNAL,
	}, name != ""
}

// table is n bytes at an address.
func (e *elfFile) table(addr, n uint64, what string) ([]byte, error) {
	off, left, err := e.offset(addr, what)
	if err != nil {
		return nil, err
	}
	if n > left {
		return nil, fmt.Errorf("%s is truncated", what)
	}
	return e.at(off, n, what)
}

// symbolCount is the number of dynamic symbols, which nothing says but the
// tables that find them by their names.
func (e *elfFile) symbolCount(d *dynamic) (uint64, error) {
	var n uint64
	if addr, ok := d.values[elf.DT_HASH]; ok {
		b, err := e.table(addr, 8, "the hash table")
		if err != nil {
			return 0, err
		}
		n = uint64(binary.LittleEndian.Uint32(b[4:]))
	} else if addr, ok := d.values[elf.DT_GNU_HASH]; ok {
		var err error
		if n, err = e.gnuHashCount(d, addr); err != nil {
			return 0, err
		}
	}
	if n > maxSymbols {
		return 0, fmt.Errorf("it claims to have %d dynamic symbols", n)
	}
	return n, nil
}

// gnuHashCount walks a GNU hash table: header, bloom filter, buckets with the
// first symbol of each, and the chains, in which an odd word ends a bucket's.
func (e *elfFile) gnuHashCount(d *dynamic, addr uint64) (uint64, error) {
	const what = "the GNU hash table"
	le := binary.LittleEndian
	h, err := e.table(addr, 16, what)
	if err != nil {
		return 0, err
	}
	buckets, first, bloom := uint64(le.Uint32(h)), uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[8:]))
	table, err := e.table(addr+16+bloom*8, buckets*4, what)
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for ; len(table) >= 4; table = table[4:] {
		last = max(last, uint64(le.Uint32(table)))
	}
	if last < first {
		return e.undefinedCount(d), nil
	}
	off, left, err := e.offset(addr+16+bloom*8+buckets*4+(last-first)*4, what)
	if err != nil {
		return 0, err
	}
	chain, err := e.at(off, min(left, 64<<10), what)
	if err != nil {
		return 0, err
	}
	for ; len(chain) >= 4; chain = chain[4:] {
		last++
		if chain[0]&1 != 0 {
			return last, nil
		}
	}
	return 0, errors.New(what + " does not end")
}

// undefinedCount is the number of dynamic symbols where a file defines none: its
// hash table says nothing then. Linkers put the strings behind the symbols.
func (e *elfFile) undefinedCount(d *dynamic) uint64 {
	symbols, strs := d.values[elf.DT_SYMTAB], d.values[elf.DT_STRTAB]
	for _, s := range e.sections {
		if s.kind == elf.SHT_DYNSYM && s.addr == symbols {
			return s.size / symbolSize
		}
	}
	if strs > symbols {
		return (strs - symbols) / symbolSize
	}
	return 0
}

// readDefinedVersions walks the chain of Verdef records, each of which has its
// own name first.
func (e *elfFile) readDefinedVersions(d *dynamic) error {
	addr, ok := d.values[elf.DT_VERDEF]
	if !ok {
		return nil
	}
	const what = "the table of defined versions"
	off, left, err := e.offset(addr, what)
	if err != nil {
		return err
	}
	b, err := e.at(off, min(left, 256<<10), what)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	for at, n := uint64(0), 0; ; n++ {
		if n == maxNeeded || at > uint64(len(b)) || len(b[at:]) < 20 {
			return errors.New(what + " is damaged")
		}
		r := b[at:]
		aux, next := uint64(le.Uint32(r[12:])), uint64(le.Uint32(r[16:]))
		if aux > uint64(len(r)) || len(r[aux:]) < 8 {
			return errors.New(what + " is damaged")
		}
		name, err := e.strings.get(uint64(le.Uint32(r[aux:])))
		if err != nil {
			return err
		}
		// The first record is the file's own name, which is no version.
		if flags := le.Uint16(r[2:]); flags&uint16(elf.VER_FLG_BASE) == 0 {
			e.version(le.Uint16(r[4:]), symbolVersion{version: name})
		}
		if next == 0 {
			return nil
		}
		at += next
	}
}

func (e *elfFile) version(index uint16, v symbolVersion) {
	if e.versions == nil {
		e.versions = map[uint16]symbolVersion{}
	}
	e.versions[index&0x7FFF] = v
}
