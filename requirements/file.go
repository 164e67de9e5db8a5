package requirements

import (
	"errors"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// File is a requirements file as pip reads it. It is immutable; Rewrite returns
// a new one.
type File struct {
	name    string
	src     []byte // while unedited
	codec   codec
	text    string
	entries []Entry
}

// Kind says what an Entry is.
type Kind int

// The kinds of entries. Lines that are empty or hold a comment are no entries.
const (
	Requires   Kind = iota // a requirement: PEP 508, a URL or a path
	Editable               // -e, --editable
	Include                // -r, --requirement
	Constraint             // -c, --constraint
	Option                 // any other option, such as --index-url
)

// Entry is one logical line of a file: continuations joined, comments cut.
type Entry struct {
	Kind Kind
	Line int // of the first physical line, from 1
	Text string
	// Name is the distribution's: of a requirement, of #egg= in a URL, or of the
	// wheel that a URL or path ends in. It is "" where only a build would tell.
	Name Name
	// Requirement is set where Text, before its options, is a PEP 508
	// requirement without ${VARIABLES}.
	Requirement Requirement
	// Path is what an Include or a Constraint names, as written.
	Path string
	// Hashed reports whether --hash options follow the requirement.
	Hashed bool
	// Orphan reports whether an Option's options are those of a requirement, such
	// as --hash, though it has none: no backslash stands before it, and pip
	// ignores it.
	Orphan bool

	logical logicalLine
	spec    string // the part of Text before options
}

// Parse reads a requirements file; name is used in errors and changes only. It
// follows pip: line breaks of Python's splitlines, joining at a backslash,
// comments at a # after white space, byte order marks and PEP 263 declarations.
// The error joins a *SyntaxError for each line that is no requirement.
func Parse(name string, src []byte) (*File, error) {
	codec, err := detect(name, src)
	if err != nil {
		return nil, err
	}
	text, err := codec.decode(name, src)
	if err != nil {
		return nil, err
	}
	f := &File{name: name, src: src, codec: codec, text: text}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) read() error {
	var faults []error
	for l := range joinLines(f.text) {
		if l.text == "" {
			continue
		}
		e, err := readEntry(l)
		if err != nil {
			faults = append(faults, f.locate(l, err))
			continue
		}
		f.entries = append(f.entries, e)
	}
	return errors.Join(faults...)
}

// locate moves an error from the logical line to the file.
func (f *File) locate(l logicalLine, err error) error {
	syntax, ok := errors.AsType[*SyntaxError](err)
	if !ok {
		return err
	}
	offset := 0
	for range syntax.Col - 1 {
		_, n := utf8.DecodeRuneInString(l.text[offset:])
		offset += n
	}
	moved := SyntaxError{File: f.name, Msg: syntax.Msg}
	moved.Line, moved.Col, moved.Text = l.place(f.text, offset)
	return &moved
}

// Bytes is the file; unedited, it is what Parse was given, byte for byte.
func (f *File) Bytes() []byte {
	if f.src != nil {
		return f.src
	}
	return f.codec.encode(f.text)
}

// Entries gives what the file asks for, in its order.
func (f *File) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range f.entries {
			if !yield(e) {
				return
			}
		}
	}
}

func readEntry(l logicalLine) (Entry, error) {
	e := Entry{Line: l.lines[0].number, Text: l.text, logical: l}
	spec, rest := splitOptions(l.text)
	options, err := parseOptions(rest)
	if err != nil {
		col := utf8.RuneCountInString(l.text[:len(l.text)-len(rest)]) + 1
		return e, &SyntaxError{Text: l.text, Line: 1, Col: col, Msg: err.Error()}
	}
	if spec == "" {
		e.readOptions(options)
		return e, nil
	}
	e.spec = spec
	for _, o := range options {
		e.Hashed = e.Hashed || o.name == "hash"
	}
	return e, e.readSpec()
}

// splitOptions cuts at the first word that begins with a dash, as pip does:
// words are divided by single spaces.
func splitOptions(text string) (spec, options string) {
	for i := 0; ; {
		if strings.HasPrefix(text[i:], "-") {
			return strings.TrimRightFunc(text[:i], isSpace), text[i:]
		}
		n := strings.IndexByte(text[i:], ' ')
		if n < 0 {
			return text, ""
		}
		i += n + 1
	}
}

// readOptions finds what a line of options is to pip: an editable requirement
// goes before a file to include, and that before a constraint.
func (e *Entry) readOptions(options []option) {
	e.Kind = Option
	e.Orphan = len(options) > 0 && !slices.ContainsFunc(options, func(o option) bool { return !ofRequirement(o.name) })
	for _, kind := range []struct {
		name string
		kind Kind
	}{{"editable", Editable}, {"requirement", Include}, {"constraint", Constraint}} {
		for _, o := range options {
			if o.name != kind.name {
				continue
			}
			e.Kind = kind.kind
			value := strings.TrimFunc(o.value, isSpace)
			if kind.kind == Editable {
				e.spec, e.Name = value, nameOf(value)
			} else {
				e.Path = value
			}
			return
		}
	}
}

// ofRequirement reports whether an option says something of one requirement
// and nothing by itself.
func ofRequirement(name string) bool {
	return name == "hash" || name == "config-setting" || name == "config-settings"
}

// variable is the only form that pip expands.
var variable = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)

// readSpec reads a requirement; what is none may still be a URL or a path.
func (e *Entry) readSpec() error {
	r, err := ParseRequirement(e.spec)
	if err == nil {
		e.Name, e.Requirement = r.Name, r
		return nil
	}
	if isLocation(e.spec) {
		e.Name = nameOf(e.spec)
		return nil
	}
	if !variable.MatchString(e.spec) {
		return err
	}
	// A variable may stand for a version, or for nearly anything: only a name
	// written out is known.
	if r, placeholder := ParseRequirement(variable.ReplaceAllString(e.spec, "0")); placeholder == nil &&
		!variable.MatchString(firstWord(e.spec)) {
		e.Name = r.Name
	}
	return nil
}

func firstWord(s string) string {
	i := strings.IndexFunc(s, func(r rune) bool { return !isAlnum(r) && !strings.ContainsRune("-_.${}", r) })
	if i < 0 {
		return s
	}
	return s[:i]
}

var archives = []string{".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz"}

// isLocation reports whether s is a URL or a path in pip's eyes.
func isLocation(s string) bool {
	head, _, _ := strings.Cut(s, ";")
	head = strings.TrimFunc(head, isSpace)
	if strings.Contains(head, "://") || strings.HasPrefix(head, "file:") || strings.HasPrefix(head, ".") {
		return true
	}
	if strings.ContainsAny(head, " \t@=<>") {
		return false
	}
	base, _, _ := strings.Cut(head, "[")
	for _, ext := range archives {
		if strings.HasSuffix(strings.ToLower(base), ext) {
			return true
		}
	}
	return strings.Contains(base, "/")
}

// nameOf finds the distribution in a URL or a path, as far as they say it.
func nameOf(location string) Name {
	if r, err := ParseRequirement(location); err == nil {
		return r.Name
	}
	location, _, _ = strings.Cut(location, " ;")
	location, fragment, _ := strings.Cut(location, "#")
	for part := range strings.SplitSeq(fragment, "&") {
		if egg, ok := strings.CutPrefix(part, "egg="); ok {
			egg, _, _ = strings.Cut(egg, "[")
			if r, err := ParseRequirement(egg); err == nil {
				return r.Name
			}
		}
	}
	location, _, _ = strings.Cut(location, "?")
	base := path.Base(location)
	if stem, ok := strings.CutSuffix(base, ".whl"); ok {
		if distribution, _, ok := strings.Cut(stem, "-"); ok {
			return Normalize(distribution)
		}
	}
	return ""
}
