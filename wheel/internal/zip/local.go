package zip

import (
	"cmp"
	"fmt"
	"slices"
)

const localLen = 30

// checkLocals reads each member's local header, in the order of the file, and
// holds it against the directory. Members must follow one another without gap
// or overlap up to the directory at offset: a gap is what only a streaming
// reader sees, an overlap is how small archives inflate to terabytes.
func (a *Archive) checkLocals(offset int64, report Report) {
	order := make([]int32, len(a.Members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(i, j int32) int {
		return cmp.Compare(a.Members[i].header, a.Members[j].header)
	})
	var at int64
	w := &window{a: a, buf: make([]byte, 16<<10)}
	for k, i := range order {
		m := &a.Members[i]
		switch {
		case m.header > at:
			report("hidden-bytes", m.Name, fmt.Sprintf("%d bytes before this member belong to no member", m.header-at))
		case m.header < at:
			report("overlap", m.Name, "the member overlaps the one before it")
		}
		next := offset
		if k+1 < len(order) {
			next = a.Members[order[k+1]].header
		}
		end, err := a.checkLocal(m, next, w, report)
		if err != nil {
			report("local-header", m.Name, err.Error())
			m.unreadable, end = true, next
		}
		at = max(at, end)
	}
	switch {
	case at < offset:
		report("hidden-bytes", "", fmt.Sprintf("%d bytes before the central directory belong to no member", offset-at))
	case at > offset && len(order) > 0:
		report("overlap", a.Members[order[len(order)-1]].Name, "the member reaches into the central directory")
	}
}

// checkLocal compares the local header of m with its directory entry, sets
// where its content begins and returns where its bytes end.
func (a *Archive) checkLocal(m *Member, next int64, w *window, report Report) (int64, error) {
	b, err := w.at(m.header, localLen)
	if err != nil {
		return 0, err
	}
	if string(b[:4]) != localSignature {
		return 0, fmt.Errorf("there is no local header at offset %d", m.header)
	}
	nameLen, extraLen := int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	if b, err = w.at(m.header, localLen+nameLen+extraLen); err != nil {
		return 0, err
	}
	m.content = m.header + int64(localLen+nameLen+extraLen)
	if m.content > a.size-m.Compressed {
		return 0, fmt.Errorf("its %d bytes reach past the end of the file", m.Compressed)
	}
	if name := string(b[localLen : localLen+nameLen]); name != m.Name {
		report("local-header", m.Name, fmt.Sprintf("the local header calls it %q", name))
	}
	x, err := parseExtra(b[localLen+nameLen : localLen+nameLen+extraLen])
	if err != nil {
		report("extra-field", m.Name, err.Error())
	}
	if x.unicodePath != "" && x.unicodePath != m.Name {
		report("name-encoding", m.Name, fmt.Sprintf("the name is %q in an extra field", x.unicodePath))
	}
	m.compareLocal(b, x, report)
	end := m.content + m.Compressed
	if m.flags&flagDescriptor != 0 {
		n, err := descriptor(m, end, next, w)
		if err != nil {
			report("data-descriptor", m.Name, err.Error())
			n = max(0, next-end)
		}
		end += n
	}
	return end, nil
}

func (m *Member) compareLocal(b []byte, x extra, report Report) {
	const compared = flagEncrypted | flagDescriptor | flagPatched | flagStrong | flagUTF8 | flagMasked
	flags, method, crc := le.Uint16(b[6:]), le.Uint16(b[8:]), le.Uint32(b[14:])
	compressed, size := int64(le.Uint32(b[18:])), int64(le.Uint32(b[22:]))
	if err := x.widen(&size, &compressed); err != nil {
		report("zip64", m.Name, err.Error())
	}
	if flags&compared != m.flags&compared || method != m.Method {
		report("local-header", m.Name, "flags or compression method differ between local header and directory")
	}
	// With a descriptor the header may leave what was not yet known at zero.
	open := m.flags&flagDescriptor != 0
	differs := func(local, central int64) bool { return local != central && (!open || local != 0) }
	if differs(int64(crc), int64(m.CRC32)) || differs(compressed, m.Compressed) || differs(size, m.Size) {
		report("local-header", m.Name, fmt.Sprintf("the local header says %d bytes in %d and CRC %08x, but the directory says %d in %d and %08x",
			size, compressed, crc, m.Size, m.Compressed, m.CRC32))
	}
}

// descriptor returns the length of the data descriptor at offset at, which
// must repeat what the directory says: with or without its signature, with
// sizes of 4 or 8 bytes, and filling the place before the next record.
func descriptor(m *Member, at, next int64, w *window) (int64, error) {
	n := next - at
	switch n {
	case 12, 16, 20, 24:
	default:
		return 0, fmt.Errorf("%d bytes are where its data descriptor should be", n)
	}
	b, err := w.at(at, int(n))
	if err != nil {
		return 0, err
	}
	if n == 16 || n == 24 {
		if string(b[:4]) != descriptorSignature {
			return 0, fmt.Errorf("its data descriptor has no signature")
		}
		b = b[4:]
	}
	crc, compressed, size := le.Uint32(b), uint64(0), uint64(0)
	if len(b) == 12 {
		compressed, size = uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))
	} else {
		compressed, size = le.Uint64(b[4:]), le.Uint64(b[12:])
	}
	if crc != m.CRC32 || compressed != uint64(m.Compressed) || size != uint64(m.Size) {
		return 0, fmt.Errorf("its data descriptor says %d bytes in %d and CRC %08x, but the directory says %d in %d and %08x",
			size, compressed, crc, m.Size, m.Compressed, m.CRC32)
	}
	return n, nil
}
