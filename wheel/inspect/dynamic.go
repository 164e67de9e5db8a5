package inspect

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxDynamic = 1 << 20 // bytes of the dynamic segment
	maxNeeded  = 4096    // libraries, and versions
)

// dynamic is the dynamic segment: what the loader is told.
type dynamic struct {
	needed, rpath, runpath []uint64 // offsets of strings
	soname                 uint64
	values                 map[elf.DynTag]uint64 // of all other tags, the first
}

// readDynamic reads what the loader reads, by addresses, not by sections: those
// may be stripped, or lie.
func (e *elfFile) readDynamic() error {
	d, err := e.dynamicSegment()
	if d == nil || err != nil {
		return err
	}
	f := e.file
	if pie := uint64(elf.DF_1_PIE); d.values[elf.DT_FLAGS_1]&pie != 0 && f.Kind == Library {
		f.Kind = Executable
	}
	if e.strings, err = e.dynamicStrings(d); err != nil {
		return err
	}
	if f.Needed, err = e.strings.all(d.needed); err != nil {
		return err
	}
	if f.RPath, err = e.directories(d.rpath); err != nil {
		return err
	}
	if f.RunPath, err = e.directories(d.runpath); err != nil {
		return err
	}
	if d.soname != 0 {
		if f.SONAME, err = e.strings.get(d.soname); err != nil {
			return err
		}
	}
	if err := e.readNeededVersions(d); err != nil {
		return err
	}
	return e.readSymbols(d)
}

func (e *elfFile) dynamicSegment() (*dynamic, error) {
	i := slices.IndexFunc(e.segments, func(s elf.Prog64) bool { return elf.ProgType(s.Type) == elf.PT_DYNAMIC })
	if i < 0 || e.detached(e.segments[i].Vaddr) {
		return nil, nil
	}
	s := e.segments[i]
	if s.Filesz > maxDynamic {
		return nil, fmt.Errorf("its dynamic segment has %d bytes", s.Filesz)
	}
	b, err := e.at(s.Off, s.Filesz, "the dynamic segment")
	if err != nil {
		return nil, err
	}
	d := &dynamic{values: map[elf.DynTag]uint64{}}
	for ; len(b) >= 16; b = b[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
		switch tag {
		case elf.DT_NULL:
			return d, nil
		case elf.DT_NEEDED:
			d.needed = append(d.needed, value)
		case elf.DT_RPATH:
			d.rpath = append(d.rpath, value)
		case elf.DT_RUNPATH:
			d.runpath = append(d.runpath, value)
		case elf.DT_SONAME:
			d.soname = value
		default:
			if _, ok := d.values[tag]; !ok {
				d.values[tag] = value
			}
		}
		if len(d.needed) > maxNeeded {
			return nil, fmt.Errorf("it needs more than %d libraries", maxNeeded)
		}
	}
	return d, nil
}

// detached says that the content at an address is not in this file but in the
// one that its debugging information was taken from.
func (e *elfFile) detached(addr uint64) bool {
	return slices.ContainsFunc(e.sections, func(s section) bool { return s.kind == elf.SHT_NOBITS && s.addr == addr && s.size > 0 })
}

// offset is where in the file an address lies, and how much of its segment follows.
func (e *elfFile) offset(addr uint64, what string) (off, left uint64, err error) {
	for _, s := range e.segments {
		if elf.ProgType(s.Type) == elf.PT_LOAD && addr >= s.Vaddr && addr-s.Vaddr < s.Filesz {
			return s.Off + addr - s.Vaddr, s.Filesz - (addr - s.Vaddr), nil
		}
	}
	return 0, 0, fmt.Errorf("%s is not in any segment", what)
}

// stringTable is the strings that the dynamic segment refers to.
type stringTable struct {
	e         *elfFile
	off, size uint64
}

func (e *elfFile) dynamicStrings(d *dynamic) (*stringTable, error) {
	t := &stringTable{e: e, size: d.values[elf.DT_STRSZ]}
	addr, ok := d.values[elf.DT_STRTAB]
	if !ok {
		return t, nil
	}
	off, left, err := e.offset(addr, "the table of dynamic strings")
	t.off, t.size = off, min(t.size, left)
	return t, err
}

// get is the string at an offset of the table.
func (t *stringTable) get(at uint64) (string, error) {
	if at >= t.size {
		return "", errors.New("a dynamic string is outside its table")
	}
	b, err := t.e.at(t.off+at, min(t.size-at, 4096), "a dynamic string")
	if err != nil {
		return "", err
	}
	return cString(b, 0), nil
}

func (t *stringTable) all(offsets []uint64) (list []string, err error) {
	for _, at := range offsets {
		s, err := t.get(at)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (e *elfFile) directories(offsets []uint64) (list []string, err error) {
	paths, err := e.strings.all(offsets)
	for _, p := range paths {
		list = append(list, strings.Split(p, ":")...)
	}
	return list, err
}

// readNeededVersions walks the chain of Verneed records, each with a chain of
// Vernaux records.
func (e *elfFile) readNeededVersions(d *dynamic) error {
	e.file.Versions = nil
	addr, ok := d.values[elf.DT_VERNEED]
	if !ok {
		return nil
	}
	off, left, err := e.offset(addr, "the table of needed versions")
	if err != nil {
		return err
	}
	b, err := e.at(off, min(left, 64<<10), "the table of needed versions")
	if err != nil {
		return err
	}
	le, total := binary.LittleEndian, 0
	for at, more := uint64(0), true; more; {
		if at > uint64(len(b)) || len(b[at:]) < 16 {
			return errors.New("the table of needed versions is damaged")
		}
		n := b[at:]
		library, err := e.strings.get(uint64(le.Uint32(n[4:])))
		if err != nil {
			return err
		}
		needed := NeededVersions{Library: library}
		for aux, k := at+uint64(le.Uint32(n[8:])), le.Uint16(n[2:]); k > 0; k-- {
			if total++; total > maxNeeded || aux > uint64(len(b)) || len(b[aux:]) < 16 {
				return errors.New("the table of needed versions is damaged")
			}
			v, err := e.strings.get(uint64(le.Uint32(b[aux+8:])))
			if err != nil {
				return err
			}
			needed.Versions = append(needed.Versions, v)
			e.version(le.Uint16(b[aux+6:]), symbolVersion{v, library})
			next := uint64(le.Uint32(b[aux+12:]))
			if next == 0 {
				break
			}
			aux += next
		}
		e.file.Versions = append(e.file.Versions, needed)
		next := uint64(le.Uint32(n[12:]))
		at, more = at+next, next != 0
		if total++; total > maxNeeded {
			return errors.New("the table of needed versions is too long")
		}
	}
	return nil
}
