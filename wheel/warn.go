package wheel

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// warnCase finds members whose names differ only in case: two files on Linux,
// one on the file systems of Windows and macOS.
func (r *Reader) warnCase() {
	type folded struct {
		hash  uint64
		index int32
	}
	seed := maphash.MakeSeed()
	names := make([]folded, len(r.archive.Members))
	for i := range names {
		names[i] = folded{maphash.String(seed, strings.ToLower(r.archive.Members[i].Name)), int32(i)}
	}
	slices.SortFunc(names, func(a, b folded) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.index, b.index))
	})
	var warnings []Fault
	for i := 1; i < len(names) && len(warnings) < maxFaults; i++ {
		a, b := r.archive.Members[names[i-1].index].Name, r.archive.Members[names[i].index].Name
		if a != b && names[i-1].hash == names[i].hash && strings.EqualFold(a, b) {
			warnings = append(warnings, Fault{"case", b, fmt.Sprintf("differs from %q only in case", a)})
		}
	}
	slices.SortFunc(warnings, func(a, b Fault) int { return strings.Compare(a.Path, b.Path) })
	r.warnings = append(r.warnings, warnings...)
}
