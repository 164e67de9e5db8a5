package inspect

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/fatbin"
)

// maxPadding is the most that lies between two containers of a section.
const maxPadding = 4096

// search looks for containers: in the whole file the first time, and where a
// section of fatbins was found to hold something else, in those sections alone.
func (e *elfFile) search(p []byte) {
	if e.found == nil {
		_, _ = e.scan.Write(p)
		return
	}
	at := e.scan.Offset
	for i, s := range e.spans {
		from, to := max(int64(s.off), at), min(int64(s.off+s.size), at+int64(len(p)))
		if from < to {
			_, _ = e.spanned[i].Write(p[from-at : to-at])
		}
	}
	e.scan.Offset += int64(len(p))
}

// readContainers holds what was found against the section table. A section of
// fatbins that is not containers from its beginning to its end is an error:
// what else it holds might be code that nobody judged.
func (e *elfFile) readContainers() error {
	if e.missing {
		return nil // without the sections nothing can be said
	}
	again := false
	for i := range e.spanned {
		e.found = append(e.found, e.spanned[i].Found()...)
		again = true
	}
	e.spans, e.spanned = nil, nil
	slices.SortFunc(e.found, func(a, b fatbin.Found) int { return cmp.Compare(a.Offset, b.Offset) })

	e.file.Containers = nil
	rest := e.found
	for _, s := range e.fatbinSections() {
		inside := func(f fatbin.Found) bool { return f.Offset >= int64(s.off) && f.Offset < int64(s.off+s.size) }
		var found []fatbin.Found
		for _, f := range e.found {
			if inside(f) {
				f.Section = s.name
				found = append(found, f)
			}
		}
		rest = slices.DeleteFunc(slices.Clone(rest), inside)
		if err := tiled(found, int64(s.off), int64(s.off+s.size)); err != nil {
			if again {
				return fmt.Errorf("section %s: %w", s.name, err)
			}
			e.spans = append(e.spans, s)
			e.spanned = append(e.spanned, fatbin.Scanner{Offset: int64(s.off), Kernels: e.opts.Kernels})
			continue
		}
		for _, f := range found {
			e.file.Containers = append(e.file.Containers, f.Container)
		}
	}
	if e.spans != nil {
		// Whatever was found reaches into a section from outside, or hid its beginning.
		e.found = slices.DeleteFunc(e.found, func(f fatbin.Found) bool {
			return slices.ContainsFunc(e.spans, func(s section) bool { return f.Offset < int64(s.off+s.size) && f.End > int64(s.off) })
		})
		e.scan = fatbin.Scanner{}
		e.missing = true
		return errElsewhere
	}
	err := e.addLoose(rest)
	slices.SortFunc(e.file.Containers, func(a, b cuda.Container) int { return cmp.Compare(a.Offset, b.Offset) })
	return err
}

func (e *elfFile) fatbinSections() (list []section) {
	for _, s := range e.sections {
		if (s.name == ".nv_fatbin" || s.name == "__nv_relfatbin") && s.kind != elf.SHT_NOBITS && s.size > 0 && s.off < maxInFile && s.size < maxInFile {
			list = append(list, s)
		}
	}
	return list
}

// addLoose adds what lies in no section of fatbins: all of them where the
// section table was stripped. Where there is one, what only begins like a
// container is other data.
func (e *elfFile) addLoose(found []fatbin.Found) error {
	for _, f := range found {
		switch {
		case f.Err != nil && len(e.sections) == 0:
			return fmt.Errorf("the fatbin at %#x: %w", f.Offset, f.Err)
		case f.Err == nil && len(f.Entries) > 0:
			e.file.Containers = append(e.file.Containers, f.Container)
		}
	}
	return nil
}

// tiled says why the range is not containers from its beginning to its end.
func tiled(found []fatbin.Found, from, to int64) error {
	at := from
	for _, f := range found {
		switch {
		case f.Err != nil:
			return fmt.Errorf("the fatbin at %#x: %w", f.Offset, f.Err)
		case f.End > to:
			return fmt.Errorf("the fatbin at %#x reaches beyond its end", f.Offset)
		case f.Offset < at:
			return fmt.Errorf("the fatbin at %#x lies within another", f.Offset)
		case f.Offset-at > maxPadding:
			return fmt.Errorf("%d bytes before %#x are not a fatbin", f.Offset-at, f.Offset)
		}
		at = f.End
	}
	if to-at > maxPadding || len(found) == 0 {
		return errors.New("bytes at its end are not a fatbin")
	}
	return nil
}
