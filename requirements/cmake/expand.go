package cmake

import (
	"slices"
	"strings"
)

// Reference is a variable that an argument refers to: ${NAME}, $ENV{NAME} or
// $CACHE{NAME}.
type Reference struct {
	Kind string // "", "ENV" or "CACHE"
	Name string
}

// Expand evaluates the escapes and references of an argument that is quoted or
// unquoted; a bracket argument is its text. Lookup gives the value of each
// reference, from the innermost outwards. The fault it reports has no file and
// line: they are the argument's.
func Expand(a Arg, lookup func(Reference) string) (string, error) {
	if a.Kind == Bracket {
		return a.Text, nil
	}
	e := expander{text: a.Text, lookup: lookup}
	out, err := e.until(0, "")
	if err != nil {
		return "", err
	}
	return out, nil
}

type expander struct {
	text   string
	at     int
	lookup func(Reference) string
}

// until evaluates up to the brace that closes the reference of that kind, or to
// the end.
func (e *expander) until(depth int, opening string) (string, error) {
	if depth > maxNesting {
		return "", &SyntaxError{Message: "references are nested too deeply"}
	}
	var out strings.Builder
	for e.at < len(e.text) {
		c := e.text[e.at]
		if c == '}' && opening != "" {
			e.at++
			return e.lookup(Reference{Kind: strings.TrimSuffix(opening[1:], "{"), Name: out.String()}), nil
		}
		switch {
		case c == '\\':
			s, err := e.escape(opening != "")
			if err != nil {
				return "", err
			}
			out.WriteString(s)
		case c == '$' && referenceOpening(e.text[e.at:]) != "":
			inner := referenceOpening(e.text[e.at:])
			e.at += len(inner)
			s, err := e.until(depth+1, inner)
			if err != nil {
				return "", err
			}
			out.WriteString(s)
		case opening != "" && !nameByte(c):
			return "", &SyntaxError{Message: "a reference's name has " + quoteByte(c)}
		default:
			out.WriteByte(c)
			e.at++
		}
	}
	if opening != "" {
		return "", &SyntaxError{Message: "a reference has no closing }"}
	}
	return out.String(), nil
}

func referenceOpening(s string) string {
	for _, opening := range []string{"${", "$ENV{", "$CACHE{"} {
		if strings.HasPrefix(s, opening) {
			return opening
		}
	}
	return ""
}

// escape evaluates a backslash and what follows. \; keeps its backslash outside
// of references, where it still has to keep a list from being split.
func (e *expander) escape(inReference bool) (string, error) {
	if e.at+1 >= len(e.text) {
		return "", &SyntaxError{Message: "an argument ends in a backslash"}
	}
	c := e.text[e.at+1]
	e.at += 2
	switch {
	case c == 't':
		return "\t", nil
	case c == 'n':
		return "\n", nil
	case c == 'r':
		return "\r", nil
	case c == ';' && !inReference:
		return `\;`, nil
	case isIdentifier(c, false) && c != '_':
		return "", &SyntaxError{Message: `unknown escape \` + string(c)}
	}
	return string(c), nil
}

func nameByte(c byte) bool {
	return isIdentifier(c, false) || strings.IndexByte("/_.+-", c) >= 0
}

func quoteByte(c byte) string {
	if c > ' ' && c < 0x7f {
		return string(c)
	}
	return "a byte that is not allowed in names"
}

// Split divides a value into the elements of a CMake list, as the evaluation of
// an unquoted argument does: at each ; that is neither escaped nor inside [ ].
// Empty elements are left out.
func Split(value string) []string {
	return slices.DeleteFunc(Elements(value), func(s string) bool { return s == "" })
}

// Elements are the elements of a CMake list, empty ones too, as list() and
// foreach(... IN LISTS) see them. An empty value has none.
func Elements(value string) []string {
	if value == "" {
		return nil
	}
	if !strings.Contains(value, ";") {
		return []string{value}
	}
	var list []string
	var one strings.Builder
	nesting, from := 0, 0
	cut := func(to int) {
		one.WriteString(value[from:to])
		list = append(list, one.String())
		one.Reset()
		from = to + 1
	}
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
			if i < len(value) && value[i] == ';' {
				one.WriteString(value[from : i-1])
				from = i
			}
		case '[':
			nesting++
		case ']':
			nesting--
		case ';':
			if nesting == 0 {
				cut(i)
			}
		}
	}
	cut(len(value))
	return list
}
