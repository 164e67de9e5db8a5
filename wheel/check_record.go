package wheel

import (
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
)

// readRecord reads RECORD and holds it against the archive both ways. That
// hashes are right is for Verify to say.
func (r *Reader) readRecord(f *faults) {
	c := r.readDistInfo("RECORD", maxRecord, f)
	if c == nil {
		return
	}
	defer c.Close()
	record, err := parseRecord(c, make(Record, 0, len(r.archive.Members)))
	if err != nil {
		f.add("record", r.distInfo+".dist-info/RECORD", err.Error())
		return
	}
	// Members of such names have their faults already, and rows of their own.
	if !slices.ContainsFunc(r.archive.Members, func(m zip.Member) bool { return oddPath(m.Name) }) {
		if odd := cleanPaths(record); odd != "" {
			r.warnings = append(r.warnings, Fault{"record-path", odd, "RECORD writes the path with . or empty components"})
		}
	}
	r.Record = record
	r.matchRecord(f)
}

// oddPath reports whether a path has "." or empty components.
func oddPath(p string) bool {
	return strings.HasPrefix(p, "./") || strings.Contains(p, "//") || strings.Contains(p, "/./")
}

// cleanPaths takes "." and empty components out of the paths of a RECORD, as
// pip does, and returns the first path, as written, that had some. A path that
// is absolute or leads upwards stays: no member has it.
func cleanPaths(record Record) (odd string) {
	for i := range record {
		written := record[i].Path
		if !oddPath(written) || path.IsAbs(written) || slices.Contains(strings.Split(written, "/"), "..") {
			continue
		}
		record[i].Path = path.Clean(written)
		if odd == "" {
			odd = written
		}
	}
	return odd
}

// matchRecord merges the sorted names of the members with the sorted rows.
func (r *Reader) matchRecord(f *faults) {
	members := sortedBy(len(r.archive.Members), func(i int32) string { return r.archive.Members[i].Name })
	rows := sortedBy(len(r.Record), func(i int32) string { return r.Record[i].Path })
	for len(members) > 0 || len(rows) > 0 {
		order := 0
		switch {
		case len(members) == 0:
			order = 1
		case len(rows) == 0:
			order = -1
		default:
			order = strings.Compare(r.archive.Members[members[0]].Name, r.Record[rows[0]].Path)
		}
		switch {
		case order < 0:
			r.checkUnlisted(members[0], f)
			members = members[1:]
		case order > 0:
			f.add("record-ghost", r.Record[rows[0]].Path, "RECORD lists a file that the wheel does not have")
			rows = rows[1:]
		default:
			i, row := members[0], rows[0]
			r.rows[i] = row
			r.checkRow(i, r.Record[row], f)
			members, rows = members[1:], rows[1:]
			for len(members) > 0 && r.archive.Members[members[0]].Name == r.Record[row].Path {
				members = members[1:] // a duplicate member has its fault already
			}
			for len(rows) > 0 && r.Record[rows[0]].Path == r.Record[row].Path {
				f.add("record-duplicate", r.Record[row].Path, "RECORD lists the file twice")
				rows = rows[1:]
			}
		}
	}
}

// unhashed are the files that RECORD need not list or hash: itself and its signatures.
func (r *Reader) unhashed(path string) bool {
	rest, ok := strings.CutPrefix(path, r.distInfo+".dist-info/RECORD")
	return ok && (rest == "" || rest == ".jws" || rest == ".p7s")
}

func (r *Reader) checkUnlisted(i int32, f *faults) {
	m := &r.archive.Members[i]
	if !m.IsDir() && !r.unhashed(m.Name) {
		f.add("record-missing", m.Name, "RECORD does not list the file")
	}
}

func (r *Reader) checkRow(i int32, e Entry, f *faults) {
	m := &r.archive.Members[i]
	if m.IsDir() || r.unhashed(m.Name) {
		return
	}
	h, _, err := e.Sum()
	switch {
	case err != nil:
		f.add("record-hash", m.Name, err.Error())
	case h == 0:
		f.add("record-hash", m.Name, "RECORD has no hash for the file")
	}
	if e.Size >= 0 && e.Size != m.Size {
		f.addf("record-size", m.Name, "RECORD says %d bytes, but the archive says %d", e.Size, m.Size)
	}
}

// sortedBy is the order of n things by name, equal ones in their own order.
func sortedBy(n int, name func(int32) string) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return strings.Compare(name(a), name(b)) })
	return order
}
