package wheel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Fault is one thing wrong with a wheel.
type Fault struct {
	// Code names the kind of fault, lower-case-with-dashes; `sparkwheel` documents each.
	Code string `json:"code"`
	// Path is the member of the archive, "" for the wheel as a whole.
	Path string `json:"path"`
	// Message says what is wrong in a sentence without its path.
	Message string `json:"message"`
}

func (f Fault) String() string {
	if f.Path == "" {
		return fmt.Sprintf("%s [%s]", f.Message, f.Code)
	}
	return fmt.Sprintf("%q: %s [%s]", f.Path, f.Message, f.Code)
}

// VerifyError holds everything that is wrong with one wheel, sorted by path
// and code. It has at least one fault.
type VerifyError struct {
	File   string // the wheel's file name
	Faults []Fault
}

func (e *VerifyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "verifying %s: %d fault", e.File, len(e.Faults))
	if len(e.Faults) != 1 {
		b.WriteByte('s')
	}
	for _, f := range e.Faults {
		b.WriteString("\n  ")
		b.WriteString(f.String())
	}
	return b.String()
}

// Mendable reports whether all faults are of a kind that writing the same
// members anew can mend: of RECORD, of names and tags that disagree, and of the
// archive around the members. Whether that is right for it, only the wheel's
// maker can say.
func (e *VerifyError) Mendable() bool {
	return !slices.ContainsFunc(e.Faults, func(f Fault) bool { return !f.Mendable() })
}

// Mendable is VerifyError.Mendable of one fault.
func (f Fault) Mendable() bool {
	switch f.Code {
	case "record", "record-duplicate", "record-ghost", "record-hash", "record-missing", "record-size", "missing-record",
		"filename", "name-mismatch", "version-mismatch", "tag-mismatch", "wheel-metadata",
		"archive-comment", "data-descriptor", "entry-count", "extra-field", "hidden-archive", "hidden-bytes", "local-header", "zip64":
		return true
	case "dist-info":
		return f.Path != "" // one, with another name than it should have
	}
	return false
}

// maxFaults bounds what is kept of one code: a hostile wheel can have a fault
// for each of 120,000 members.
const maxFaults = 1000

// faults gathers what is found, from any goroutine.
type faults struct {
	mu    sync.Mutex
	list  []Fault
	count map[string]int
}

func (f *faults) add(code, path, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = make(map[string]int)
	}
	f.count[code]++
	if f.count[code] <= maxFaults {
		f.list = append(f.list, Fault{code, path, message})
	}
}

func (f *faults) addf(code, path, format string, args ...any) {
	f.add(code, path, fmt.Sprintf(format, args...))
}

// err is nil without faults, else a *VerifyError for the wheel called file.
func (f *faults) err(file string) error {
	if len(f.list) == 0 {
		return nil
	}
	list := slices.Clone(f.list)
	for code, n := range f.count {
		if n > maxFaults {
			list = append(list, Fault{code, "", fmt.Sprintf("%d more of these", n-maxFaults)})
		}
	}
	slices.SortFunc(list, func(a, b Fault) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	return &VerifyError{file, list}
}
