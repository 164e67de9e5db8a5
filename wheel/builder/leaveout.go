package builder

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/sparkwheel/sparkwheel/wheel"
)

// leaveOut takes the members that globs name from a wheel's members, and says
// how many. What describes the wheel cannot be left out.
func leaveOut(members []*zip.File, globs []string) (kept []*zip.File, left int, err error) {
	for _, m := range members {
		if !named(globs, m.Name) {
			kept = append(kept, m)
			continue
		}
		if rank(m.Name) > 0 {
			return nil, 0, fmt.Errorf("%s describes the wheel and cannot be left out", m.Name)
		}
		left++
	}
	if left > 0 && slices.ContainsFunc(kept, signature) {
		return nil, 0, errors.New("it is signed, and a change would break the signature")
	}
	return kept, left, nil
}

func named(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(g, name) })
}

func signature(m *zip.File) bool {
	return rank(m.Name) > 0 && (strings.HasSuffix(m.Name, "/RECORD.jws") || strings.HasSuffix(m.Name, "/RECORD.p7s"))
}

// copyRecord writes RECORD without the rows of what is left out; the other rows
// stay as they are, in their order.
func (w *canonical) copyRecord(m *zip.File, globs []string) error {
	rc, err := m.Open()
	if err != nil {
		return err
	}
	rows, err := wheel.ParseRecord(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(e wheel.Entry) bool { return named(globs, e.Path) })
	return w.add(&zip.FileHeader{Name: m.Name, NonUTF8: m.NonUTF8}, false, bytes.NewReader(rows.Append(nil)))
}

// checkGlobs refuses what is not a pattern.
func checkGlobs(globs []string) error {
	for _, g := range globs {
		if g == "" || !doublestar.ValidatePattern(g) {
			return fmt.Errorf("%q is not a pattern of paths in a wheel, such as **/*.lock", g)
		}
	}
	return nil
}

// tellLeftOut says in the build's log what was left out.
func tellLeftOut(log io.Writer, name string, globs []string, left int) {
	if len(globs) > 0 {
		fmt.Fprintf(log, "sparkwheel: files left out of %[2]s: %[1]d, by %[3]s\n", left, name, strings.Join(globs, " "))
	}
}
