package pyproject

import "bytes"

// kind is what a token is to an array.
type kind int

const (
	space   kind = iota // blanks and tabs
	newline             // LF or CRLF
	comment             // without its newline
	mark                // a comma, or one of the array's brackets
	value               // an element, or a part of one
)

// token is a part of a TOML document that has been found valid.
type token struct {
	kind       kind
	start, end int
	line       int // of the array, from 0; a value is on the line where it begins
	comma      bool
	gone       bool
}

// next reads the token at src[at].
func next(src []byte, at int) token {
	t := token{start: at, end: at + 1}
	rest := src[at:]
	switch c := src[at]; c {
	case ' ', '\t':
		t.kind = space
		t.end = at + len(rest) - len(bytes.TrimLeft(rest, " \t"))
	case '\n':
		t.kind = newline
	case '\r':
		t.kind, t.end = newline, at+2
	case '#':
		t.kind, t.end = comment, at+lineLength(rest)
	case ',':
		t.kind, t.comma = mark, true
	case '[', ']', '{', '}':
		t.kind = mark
	case '"', '\'':
		t.kind, t.end = value, at+stringLength(rest)
	default:
		t.kind = value
		if n := bytes.IndexAny(rest, " \t\r\n#,[]{}\"'"); n > 0 {
			t.end = at + n
		} else {
			t.end = len(src)
		}
	}
	return t
}

func lineLength(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		return len(b)
	}
	if n > 0 && b[n-1] == '\r' {
		n--
	}
	return n
}

// stringLength is that of the literal that b begins with, quotes included.
func stringLength(b []byte) int {
	quote := b[:1]
	if bytes.HasPrefix(b[1:], quote) {
		if !bytes.HasPrefix(b[2:], quote) {
			return 2
		}
		quote = b[:3]
	}
	for i := len(quote); i < len(b); i++ {
		if b[i] == '\\' && quote[0] == '"' {
			i++
			continue
		}
		if bytes.HasPrefix(b[i:], quote) {
			i += len(quote)
			// Up to two more quotes may stand before those that close it.
			for n := 0; n < 2 && len(quote) == 3 && i < len(b) && b[i] == quote[0]; n++ {
				i++
			}
			return i
		}
	}
	return len(b)
}
