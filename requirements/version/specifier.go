package version

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Specifier is one clause such as >=1.0, ~=2.2 or ==1.*.
type Specifier struct {
	// Op is one of ~= == != <= >= < > ===.
	Op string
	// Text is the version as it was written, a trailing .* included.
	Text string

	version Version // of Text without .*; zero for === with other text
	prefix  bool    // Text ends in .*
}

// Specifiers is a set of clauses that a version must satisfy all of; an empty
// set admits every version.
type Specifiers []Specifier

// ParseSpecifiers reads clauses separated by commas; empty ones are skipped, as
// in ">=1,". The error is a *ParseError.
func ParseSpecifiers(s string) (Specifiers, error) {
	var set Specifiers
	for clause := range strings.SplitSeq(s, ",") {
		clause = strings.TrimFunc(clause, isSpace)
		if clause == "" {
			continue
		}
		spec, err := ParseSpecifier(clause)
		if err != nil {
			return nil, err
		}
		set = append(set, spec)
	}
	return set, nil
}

var operators = []string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"}

// ParseSpecifier reads one clause; a comma is part of the text after === and an
// error elsewhere. The error is a *ParseError.
func ParseSpecifier(s string) (Specifier, error) {
	s = strings.TrimFunc(s, isSpace)
	i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(s, op) })
	if i < 0 {
		return Specifier{}, &ParseError{s, "a specifier begins with one of " + strings.Join(operators, " ")}
	}
	op := operators[i]
	spec := Specifier{Op: op, Text: strings.TrimFunc(s[len(op):], isSpace)}
	if op == "===" {
		if strings.ContainsFunc(spec.Text, func(r rune) bool { return isSpace(r) || r == ';' || r == ')' }) {
			return Specifier{}, &ParseError{s, "the text after === ends at white space, ; and )"}
		}
		if v, err := Parse(spec.Text); err == nil {
			spec.version = v
		}
		return spec, nil
	}
	text := spec.Text
	if op == "==" || op == "!=" {
		text, spec.prefix = strings.CutSuffix(text, ".*")
	}
	v, err := Parse(text)
	if err != nil {
		if parse, ok := errors.AsType[*ParseError](err); ok {
			err = &ParseError{s, parse.Msg}
		}
		return Specifier{}, err
	}
	spec.version = v
	return spec, spec.check(s)
}

// check refuses what PEP 440 does not let an operator have.
func (s Specifier) check(text string) error {
	v := s.version
	switch {
	case s.prefix && (v.pre.label+v.post.label+v.dev.label != "" || v.local != nil):
		return &ParseError{text, "only a release can precede .*"}
	case s.Op != "==" && s.Op != "!=" && v.local != nil:
		return &ParseError{text, fmt.Sprintf("%s does not allow a local label (+%s)", s.Op, v.Local())}
	case s.Op == "~=" && len(v.release) < 2:
		return &ParseError{text, "~= needs at least two release numbers, such as ~=1.0"}
	}
	return nil
}

// String is the clause without white space.
func (s Specifier) String() string { return s.Op + s.Text }

// String lists the clauses in the order of their text, of equal ones the first.
func (s Specifiers) String() string {
	sorted := slices.SortedFunc(slices.Values(s), func(a, b Specifier) int {
		return strings.Compare(a.String(), b.String())
	})
	var clauses []string
	seen := map[string]bool{}
	for _, c := range sorted {
		if key := c.canonical(); !seen[key] {
			seen[key] = true
			clauses = append(clauses, c.String())
		}
	}
	return strings.Join(clauses, ",")
}

// canonical is the same for clauses that are: ==1.0 and ==1.0.0, but not ~=1.0
// and ~=1.0.0.
func (s Specifier) canonical() string {
	if s.Op == "===" || s.prefix {
		return s.String()
	}
	v := s.version
	if trimmed := trimRelease(v.release); s.Op != "~=" && len(trimmed) > 0 {
		v.release = trimmed
	} else if s.Op != "~=" {
		v.release = v.release[:1]
	}
	return s.Op + v.String()
}

// Contains reports whether v satisfies every clause. Pre-releases are admitted:
// that one is installed or built answers the question whether it may be.
func (s Specifiers) Contains(v Version) bool {
	for _, c := range s {
		if !c.Contains(v) {
			return false
		}
	}
	return true
}

// ContainsText is Contains for a version in text. Text that is no version
// satisfies only === with the same text in any case.
func (s Specifiers) ContainsText(text string) bool {
	v, err := Parse(text)
	for _, c := range s {
		switch {
		case c.Op == "===":
			if !strings.EqualFold(c.Text, text) {
				return false
			}
		case err != nil || !c.Contains(v):
			return false
		}
	}
	return true
}

// Prereleases reports whether a clause names a pre-release, which by PEP 440
// asks for pre-releases to be considered.
func (s Specifiers) Prereleases() bool {
	return slices.ContainsFunc(s, func(c Specifier) bool {
		return c.Op != "!=" && !c.prefix && c.version.IsPrerelease()
	})
}

// Filter gives those of versions that satisfy every clause, in their order. By
// PEP 440, pre-releases are among them only if a clause names one, or if nothing
// else satisfies the clauses.
func (s Specifiers) Filter(versions []Version) []Version {
	var admitted, final []Version
	for _, v := range versions {
		if !s.Contains(v) {
			continue
		}
		admitted = append(admitted, v)
		if !v.IsPrerelease() {
			final = append(final, v)
		}
	}
	if len(final) == 0 || s.Prereleases() {
		return admitted
	}
	return final
}

// Contains reports whether v satisfies the clause.
func (s Specifier) Contains(v Version) bool {
	switch s.Op {
	case "===":
		return strings.EqualFold(s.Text, v.String())
	case "==":
		return s.equal(v)
	case "!=":
		return !s.equal(v)
	case ">=":
		return v.Compare(s.version) >= 0
	case "<=":
		return v.Public().Compare(s.version) <= 0
	case "~=":
		last := len(s.version.release) - 1
		return v.Compare(s.version) >= 0 && v.hasPrefix(s.version.epoch, s.version.release[:last])
	case "<":
		return v.Compare(s.below()) < 0
	case ">":
		return v.Public().Compare(s.version) > 0 && !s.excludesPost(v)
	}
	return false
}

func (s Specifier) equal(v Version) bool {
	if s.prefix {
		return v.hasPrefix(s.version.epoch, s.version.release)
	}
	if s.version.local == nil {
		v = v.Public()
	}
	return v.Equal(s.version)
}

// below is the bound of <V: pre-releases of V are not below V, unless V is one.
func (s Specifier) below() Version {
	v := s.version
	if !v.IsPrerelease() {
		v.dev = segment{label: "dev"}
	}
	return v
}

// excludesPost holds PEP 440's rule that >V admits no post-release of V unless
// V itself is one.
func (s Specifier) excludesPost(v Version) bool {
	w := s.version
	if w.post.label != "" || w.dev.label != "" {
		return false
	}
	v.post, v.dev, v.local = segment{}, segment{}, nil
	return v.Equal(w)
}

// HasLocal reports whether the clause asks for a local version, as ==1+cpu does.
func (s Specifier) HasLocal() bool { return s.version.local != nil }
