// Package patch reads unified diffs and applies them, all or nothing.
//
// Start at Parse; what it accepts is what git diff, git format-patch and
// diff -u write, with one leading path element (a/, b/) taken off.
package patch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Patch is a parsed diff of one or more files.
type Patch struct {
	Name   string // as given to Parse, for messages
	SHA256 string // of the bytes given to Parse, in hex
	Files  []File
}

// File is what a patch does to one file. Old is empty for a file that is
// added, New for one that is deleted. A mode of 0 is none given.
type File struct {
	Old, New         string
	OldMode, NewMode os.FileMode // permission bits, or ModeSymlink
	Copy             bool        // Old stays where it is
	Hunks            []Hunk
	line             int
}

// Hunk is one run of changes, numbered from 1 in its file.
type Hunk struct {
	OldStart, OldLines, NewStart, NewLines int
	Lines                                  []Line
	line                                   int
}

// Line is a line of a hunk: Op is ' ', '-' or '+', and Text has its newline
// unless the file ends without one.
type Line struct {
	Op   byte
	Text string
}

// ErrSubmodule is wrapped by the *SyntaxError of a patch that changes which
// commit a submodule is at.
var ErrSubmodule = errors.New("a patch cannot change a submodule")

// SyntaxError says where a patch cannot be read.
type SyntaxError struct {
	Name string
	Line int
	Msg  string
	Err  error // ErrSubmodule, or nil
}

func (e *SyntaxError) Unwrap() error { return e.Err }

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Msg) }

// Conflict is one place where a patch does not fit.
type Conflict struct {
	File    string
	Hunk    int  // from 1; 0 when it is the file as a whole
	Line    int  // of the patch
	Applied bool // the tree has the result already
	Reason  string
}

// ConflictError lists every place where a patch does not fit.
type ConflictError struct {
	Patch     string
	Conflicts []Conflict
}

func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the patch %s does not apply; nothing was changed:", e.Patch)
	for _, c := range e.Conflicts {
		where := c.File
		if c.Hunk > 0 {
			where += fmt.Sprintf(", hunk %d", c.Hunk)
		}
		fmt.Fprintf(&b, "\n  %s (%s:%d): %s", where, e.Patch, c.Line, c.Reason)
	}
	return b.String()
}

// AppliedError says that the tree has all of a patch already.
type AppliedError struct{ Patch string }

func (e *AppliedError) Error() string {
	return fmt.Sprintf("the patch %s is already applied", e.Patch)
}

// Parse reads a patch; name is for messages. What it cannot do, binary changes
// and submodules above all, and names that lead out of the tree are a
// *SyntaxError, as is a patch that changes nothing.
func Parse(name string, src []byte) (*Patch, error) {
	sum := sha256.Sum256(src)
	p := &parser{name: name, lines: strings.SplitAfter(string(src), "\n")}
	if last := len(p.lines) - 1; p.lines[last] == "" {
		p.lines = p.lines[:last]
	}
	files, err := p.files()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, &SyntaxError{Name: name, Line: 1, Msg: "it has no changes; is it a unified diff?"}
	}
	return &Patch{Name: name, SHA256: hex.EncodeToString(sum[:]), Files: files}, nil
}

// reverse is the patch that undoes f.
func (f File) reverse() File {
	r := File{Old: f.New, New: f.Old, OldMode: f.NewMode, NewMode: f.OldMode, line: f.line}
	for _, h := range f.Hunks {
		u := Hunk{OldStart: h.NewStart, OldLines: h.NewLines, NewStart: h.OldStart, NewLines: h.OldLines, line: h.line}
		for _, l := range h.Lines {
			switch l.Op {
			case '-':
				l.Op = '+'
			case '+':
				l.Op = '-'
			}
			u.Lines = append(u.Lines, l)
		}
		r.Hunks = append(r.Hunks, u)
	}
	return r
}
