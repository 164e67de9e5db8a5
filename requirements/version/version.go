// Package version reads and orders Python versions and version specifiers as
// PEP 440 and the packaging specification "version specifiers" define them.
// Its results are those of pypa/packaging, held by golden files of its answers.
package version

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// Version is a parsed PEP 440 version: epoch, release, pre-release, post-release,
// development release and local label. Its numbers have no upper limit. The zero
// Version is no version (IsZero); it sorts before every other.
type Version struct {
	epoch   number
	release []number
	pre     segment // Label "a", "b" or "rc"
	post    segment // Label "post"
	dev     segment // Label "dev"
	local   []string
}

// segment is a lettered part; without a label it is absent.
type segment struct {
	label string
	n     number
}

// ParseError says that Text is not a PEP 440 version or specifier.
type ParseError struct {
	Text string
	// Msg says what was expected where.
	Msg string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("parsing version %q: %s", excerpt.Of(e.Text), e.Msg)
}

// Parse reads one version in any spelling PEP 440 permits (1.0-BETA, v1, 1.0-1);
// surrounding white space is ignored. The error is a *ParseError.
func Parse(s string) (Version, error) {
	v, rest := scan(strings.Map(lower, strings.TrimFunc(s, isSpace)))
	if len(v.release) == 0 {
		return Version{}, &ParseError{s, "a version starts with a number, such as 1.0"}
	}
	if rest != "" {
		return Version{}, &ParseError{s, fmt.Sprintf("%q is not part of a PEP 440 version", rest)}
	}
	return v, nil
}

// isSpace is what Python's \s and str.strip take for white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// lower folds ASCII only: the Kelvin sign is no k here.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r - 'A' + 'a'
	}
	return r
}

// scan takes the longest version that s, in lower case, begins with.
func scan(s string) (v Version, rest string) {
	s = strings.TrimPrefix(s, "v")
	if n, after := digits(s); n != "" && strings.HasPrefix(after, "!") {
		v.epoch, s = trimZeros(n), after[1:]
	}
	for {
		n, after := digits(s)
		if n == "" {
			return Version{}, s
		}
		v.release, s = append(v.release, trimZeros(n)), after
		if !strings.HasPrefix(s, ".") || len(s) < 2 || !isDigit(s[1]) {
			break
		}
		s = s[1:]
	}
	v.pre, s = scanSegment(s, preLabels)
	if n, after := digits(strings.TrimPrefix(s, "-")); n != "" && s[0] == '-' {
		v.post, s = segment{"post", trimZeros(n)}, after
	} else {
		v.post, s = scanSegment(s, postLabels)
	}
	v.dev, s = scanSegment(s, devLabels)
	v.local, s = scanLocal(s)
	return v, s
}

// spelling is one way to write a label; of two that fit, the first is taken.
type spelling struct{ text, label string }

var (
	preLabels = []spelling{
		{"alpha", "a"}, {"a", "a"}, {"beta", "b"}, {"b", "b"},
		{"preview", "rc"}, {"pre", "rc"}, {"c", "rc"}, {"rc", "rc"},
	}
	postLabels = []spelling{{"post", "post"}, {"rev", "post"}, {"r", "post"}}
	devLabels  = []spelling{{"dev", "dev"}}
)

func scanSegment(s string, labels []spelling) (segment, string) {
	after := trimSeparator(s)
	for _, l := range labels {
		if rest, ok := strings.CutPrefix(after, l.text); ok {
			n, rest := digits(trimSeparator(rest))
			return segment{l.label, trimZeros(n)}, rest
		}
	}
	return segment{}, s
}

func scanLocal(s string) ([]string, string) {
	rest, ok := strings.CutPrefix(s, "+")
	if !ok {
		return nil, s
	}
	var local []string
	for {
		i := strings.IndexFunc(rest, func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') })
		if i < 0 {
			i = len(rest)
		}
		if i == 0 {
			return nil, s
		}
		part := rest[:i]
		if n, after := digits(part); after == "" {
			part = n.orZero()
		}
		local, rest = append(local, part), rest[i:]
		after := trimSeparator(rest)
		if after == rest || after == "" || !isAlnum(after[0]) {
			return local, rest
		}
		rest = after
	}
}

func trimSeparator(s string) string {
	if s != "" && (s[0] == '.' || s[0] == '-' || s[0] == '_') {
		return s[1:]
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' }

// IsZero reports whether v is the zero Version, which no string parses to.
func (v Version) IsZero() bool { return len(v.release) == 0 }

// IsPrerelease reports whether v is a pre-release or a development release.
func (v Version) IsPrerelease() bool { return v.pre.label != "" || v.dev.label != "" }

// Local is the normalised local label, "" if there is none. A part of digits
// only loses its leading zeros: the label of 1+01234567 is 1234567.
func (v Version) Local() string { return strings.Join(v.local, ".") }

// Public is v without its local label.
func (v Version) Public() Version {
	v.local = nil
	return v
}

// String is the normalised form; that of the zero Version is "".
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	var b strings.Builder
	if v.epoch != "" {
		b.WriteString(string(v.epoch) + "!")
	}
	for i, n := range v.release {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(n.orZero())
	}
	if v.pre.label != "" {
		b.WriteString(v.pre.label + v.pre.n.orZero())
	}
	for _, s := range []segment{v.post, v.dev} {
		if s.label != "" {
			b.WriteString("." + s.label + s.n.orZero())
		}
	}
	if len(v.local) > 0 {
		b.WriteString("+" + v.Local())
	}
	return b.String()
}

// Equal reports whether v and w are the same version: 1.0 and 1.0.0 are.
func (v Version) Equal(w Version) bool { return v.Compare(w) == 0 }
