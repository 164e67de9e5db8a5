package elftest

import (
	"debug/elf"
	"slices"
)

// verneed is the table of needed versions, and the index of each version.
func (b *builder) verneed() (table []byte, index map[string]uint16) {
	index = map[string]uint16{}
	next := uint16(baseVersion)
	for i, n := range b.Versions {
		size := 16 + 16*len(n.Versions)
		table = le.AppendUint16(le.AppendUint16(table, 1), uint16(len(n.Versions)))
		table = le.AppendUint32(le.AppendUint32(table, uint32(b.str(n.Library))), 16)
		table = le.AppendUint32(table, uint32(more(i, len(b.Versions), size)))
		for k, v := range n.Versions {
			index[v] = next
			table = le.AppendUint16(le.AppendUint16(le.AppendUint32(table, 0), 0), next)
			table = le.AppendUint32(le.AppendUint32(table, uint32(b.str(v))), uint32(more(k, len(n.Versions), 16)))
			next++
		}
	}
	return table, index
}

// verdef is the table of defined versions, from those of the defined symbols.
func (b *builder) verdef() (table []byte, index map[string]uint16) {
	index = map[string]uint16{}
	var names []string
	for _, s := range b.Symbols {
		if s.Defined && s.Version != "" && !slices.Contains(names, s.Version) {
			names = append(names, s.Version)
		}
	}
	for i, v := range names {
		index[v] = uint16(100 + i)
		table = le.AppendUint16(le.AppendUint16(table, 1), 0)
		table = le.AppendUint16(le.AppendUint16(table, index[v]), 1)
		table = le.AppendUint32(le.AppendUint32(table, 0), 20)
		table = le.AppendUint32(table, uint32(more(i, len(names), 28)))
		table = le.AppendUint32(le.AppendUint32(table, uint32(b.str(v))), 0)
	}
	return table, index
}

// more is the distance to the next of n records, 0 for the last.
func more(i, n, size int) int {
	if i == n-1 {
		return 0
	}
	return size
}

// symtab is the dynamic symbol table and the version of each of its symbols.
func (b *builder) symtab(needed, defined map[string]uint16) (table, versions []byte) {
	if len(b.Symbols) == 0 {
		return nil, nil
	}
	table, versions = make([]byte, 24), make([]byte, 2)
	for _, s := range b.Symbols {
		bind, kind, section, version := elf.STB_GLOBAL, elf.STT_FUNC, uint16(0), uint16(1)
		if s.Weak {
			bind = elf.STB_WEAK
		}
		if s.Object {
			kind = elf.STT_OBJECT
		}
		if s.Defined {
			section = 1
		}
		if s.Version != "" {
			version = needed[s.Version]
			if s.Defined {
				version = defined[s.Version]
			}
		}
		other := elf.STV_DEFAULT
		if s.Hidden {
			other = elf.STV_HIDDEN
		}
		e := make([]byte, 24)
		le.PutUint32(e, uint32(b.str(s.Name)))
		e[4], e[5] = byte(bind)<<4|byte(kind), byte(other)
		le.PutUint16(e[6:], section)
		le.PutUint64(e[16:], 8)
		table = append(table, e...)
		versions = le.AppendUint16(versions, version)
	}
	return table, versions
}
