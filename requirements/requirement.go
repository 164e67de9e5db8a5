package requirements

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Requirement is one dependency specifier of PEP 508. URL and Specifiers are
// never both set.
type Requirement struct {
	Name Name
	// Extras are normalised, sorted, each once.
	Extras     []Name
	Specifiers version.Specifiers
	URL        string
	Marker     marker.Expr
}

// String is the requirement in packaging's canonical spelling, with the
// normalised name.
func (r Requirement) String() string {
	var b strings.Builder
	b.WriteString(string(r.Name))
	for i, e := range r.Extras {
		b.WriteString([]string{"[", ","}[min(i, 1)] + string(e))
	}
	if len(r.Extras) > 0 {
		b.WriteByte(']')
	}
	b.WriteString(r.Specifiers.String())
	if r.URL != "" {
		b.WriteString(" @ " + r.URL)
		if !r.Marker.IsZero() {
			b.WriteByte(' ')
		}
	}
	if !r.Marker.IsZero() {
		b.WriteString("; " + r.Marker.String())
	}
	return b.String()
}

// ParseRequirement reads one requirement: name[extras] (>=1,<2); marker, or
// name[extras] @ URL ; marker. The error is a *SyntaxError.
func ParseRequirement(s string) (Requirement, error) {
	r, _, err := parseRequirement(s)
	return r, err
}

// span is a part of a text, in bytes.
type span struct{ start, end int }

// parseRequirement also tells where the specifiers stand; where there are none,
// the span is empty and stands where they would.
func parseRequirement(s string) (Requirement, span, error) {
	p := &parser{text: s}
	p.space()
	r := Requirement{Name: Normalize(p.identifier("expected a name"))}
	p.specs = span{p.pos, p.pos}
	p.space()
	if p.peek() == '[' {
		r.Extras = p.extras()
		p.specs = span{p.pos, p.pos}
	}
	p.space()
	if p.symbol("@") {
		r.URL = p.url()
	} else {
		r.Specifiers = p.specifiers()
		p.space()
	}
	if p.err == nil && p.pos < len(s) {
		r.Marker = p.marker()
	}
	if p.err != nil {
		return Requirement{}, span{}, p.err
	}
	return r, p.specs, nil
}

// parser stops at its first error; after it, its methods do nothing.
type parser struct {
	text  string
	pos   int
	specs span
	err   error
}

func (p *parser) fail(pos int, msg string) {
	if p.err == nil {
		p.err = &SyntaxError{Text: p.text, Line: 1, Col: utf8.RuneCountInString(p.text[:pos]) + 1, Msg: msg}
	}
}

func (p *parser) rest() string { return p.text[p.pos:] }

func (p *parser) space() {
	p.pos = len(p.text) - len(strings.TrimLeft(p.rest(), " \t"))
}

func (p *parser) symbol(s string) bool {
	if p.err != nil || !strings.HasPrefix(p.rest(), s) {
		return false
	}
	p.pos += len(s)
	return true
}

// take moves over the longest run of runes that ok accepts.
func (p *parser) take(ok func(rune) bool) string {
	rest := p.rest()
	n := strings.IndexFunc(rest, func(r rune) bool { return !ok(r) })
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// identifier reads a name or an extra. Like packaging, it lets one end in _,
// which PEP 508 does not.
func (p *parser) identifier(expected string) string {
	at := p.pos
	s := p.take(func(r rune) bool { return isAlnum(r) || r == '.' || r == '_' || r == '-' })
	next, _ := utf8.DecodeRuneInString(p.rest())
	switch {
	case s == "" || !isAlnum(rune(s[0])) || next != utf8.RuneError && (unicode.IsLetter(next) || unicode.IsNumber(next)):
		p.fail(at, expected+", of ASCII letters and digits with - _ . between them")
	case strings.HasSuffix(s, "-") || strings.HasSuffix(s, "."):
		p.fail(p.pos-1, "a name ends in a letter or digit")
	}
	return s
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (p *parser) extras() []Name {
	open := p.pos
	if !p.symbol("[") {
		return nil
	}
	var names []Name
	p.space()
	for p.err == nil && !p.symbol("]") {
		if len(names) > 0 {
			if !p.symbol(",") {
				p.fail(open, "expected , or ] after an extra's name")
			}
			p.space()
		}
		names = append(names, Normalize(p.identifier("expected an extra's name")))
		p.space()
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *parser) url() string {
	p.space()
	at := p.pos
	url := p.take(func(r rune) bool { return r != ' ' && r != '\t' })
	if url == "" {
		p.fail(at, "expected a URL after @")
	}
	p.space()
	if p.pos < len(p.text) && p.rest()[0] != ';' {
		p.fail(p.pos, "expected ; after the URL and a space")
	}
	return url
}

func (p *parser) specifiers() version.Specifiers {
	open := p.pos
	paren := p.symbol("(")
	if paren {
		p.specs = span{p.pos, p.pos}
	}
	p.space()
	var set version.Specifiers
	for p.err == nil && strings.ContainsRune("=!~<>", p.peek()) {
		if len(set) == 0 {
			p.specs.start = p.pos
		}
		set = append(set, p.specifier()...)
		p.specs.end = p.pos
		p.space()
		if !p.symbol(",") {
			break
		}
		p.specs.end = p.pos
		p.space()
	}
	if paren && !p.symbol(")") {
		p.fail(open, "expected a ) for this (")
	}
	return set
}

// peek is the next rune; at the end it is one that no token has.
func (p *parser) peek() rune {
	r, _ := utf8.DecodeRuneInString(p.rest())
	return r
}

// specifier reads one clause. Text after === may hold commas, which divide it
// only afterwards: === a,==b is two clauses, as in packaging.
func (p *parser) specifier() version.Specifiers {
	at := p.pos
	op := p.take(func(r rune) bool { return strings.ContainsRune("=!~<>", r) })
	p.take(isSpace)
	ends := ";)"
	if !strings.HasPrefix(op, "===") {
		ends += ","
	}
	p.take(func(r rune) bool { return !isSpace(r) && !strings.ContainsRune(ends, r) })
	set, err := version.ParseSpecifiers(p.text[at:p.pos])
	if err != nil {
		msg := err.Error()
		if parse, ok := errors.AsType[*version.ParseError](err); ok {
			msg = parse.Msg
		}
		p.fail(at, msg)
	}
	return set
}

func (p *parser) marker() marker.Expr {
	if !p.symbol(";") {
		p.fail(p.pos, "expected , or a version specifier, or ; and a marker, or the end")
		return marker.Expr{}
	}
	m, err := marker.Parse(p.rest())
	if syntax, ok := errors.AsType[*marker.SyntaxError](err); ok {
		p.fail(p.pos+syntax.Offset, syntax.Msg)
	}
	return m
}
