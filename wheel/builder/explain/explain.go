// Package explain finds in a build's log why the build failed, by the words
// that compilers, build systems and installers use for what goes wrong often.
package explain

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Finding is one known cause, met in a log.
type Finding struct {
	ID    string // lower-case-with-dashes, stable for scripts
	Line  string // the line that tells, without its end
	Cause string
	// Subject is what the line names first: a header, a module, a program; empty
	// where it names nothing.
	Subject string
	// Package is where Subject comes from, where that is known.
	Package string
}

func (f Finding) String() string { return fmt.Sprintf("%s [%s]", f.Cause, f.ID) }

// Scanner reads a log as it is written, and keeps only what it finds.
type Scanner struct {
	partial []byte
	found   []Finding
}

// maxLine bounds what is looked at of one line: links of a thousand objects
// stand on one.
const maxLine = 16 << 10

// Write takes any cut of the log; it never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.gather(p)
			break
		}
		s.gather(p[:i])
		s.line()
		p = p[i+1:]
	}
	return n, nil
}

func (s *Scanner) gather(p []byte) {
	s.partial = append(s.partial, p[:min(len(p), maxLine-len(s.partial))]...)
}

func (s *Scanner) line() {
	if line := bytes.TrimRight(s.partial, "\r"); len(line) > 0 {
		s.look(string(line))
	}
	s.partial = s.partial[:0]
}

// Findings returns what is known about the lines that were written, each cause
// once, in the order of their first lines; the last line needs no end.
func (s *Scanner) Findings() []Finding {
	if len(s.partial) > 0 {
		s.line()
	}
	return slices.Clone(s.found)
}

func (s *Scanner) look(line string) {
	for _, sig := range signatures {
		if !slices.ContainsFunc(sig.words, func(w string) bool { return strings.Contains(line, w) }) {
			continue
		}
		m := sig.pattern.FindStringSubmatchIndex(line)
		if m == nil || slices.ContainsFunc(s.found, func(f Finding) bool { return f.ID == sig.id }) {
			continue
		}
		named := subject(line, m)
		s.found = append(s.found, Finding{ID: sig.id, Line: strings.TrimSpace(line),
			Cause: string(sig.pattern.ExpandString(nil, sig.cause, line, m)), Subject: named, Package: sig.packages[named]})
	}
}

// subject is the first group that matched.
func subject(line string, m []int) string {
	for i := 2; i+1 < len(m); i += 2 {
		if m[i] >= 0 {
			return line[m[i]:m[i+1]]
		}
	}
	return ""
}

// IDs lists every ID that a Finding may have.
func IDs() []string {
	var ids []string
	for _, sig := range signatures {
		ids = append(ids, sig.id)
	}
	return ids
}
