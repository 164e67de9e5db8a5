package marker

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unquote reads what stands between the quotes of a Python string literal.
// Escapes that Python does not know stay as they are; \N{...} is refused.
func unquote(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "\\\n\r\x00")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		if s[i] != '\\' {
			return "", false
		}
		text, rest, ok := unescape(s[i+1:])
		if !ok {
			return "", false
		}
		b.WriteString(text)
		s = rest
	}
	return b.String(), true
}

// unescape reads one escape, of which s follows the backslash.
func unescape(s string) (text, rest string, ok bool) {
	if s == "" || s[0] == 0 {
		return "", "", false
	}
	const simple = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v"
	switch c := s[0]; c {
	case 'x':
		return codePoint(s[1:], 2)
	case 'u':
		return codePoint(s[1:], 4)
	case 'U':
		return codePoint(s[1:], 8)
	case 'N':
		return "", "", false
	case '\r':
		return "", strings.TrimPrefix(s[1:], "\n"), true
	case '\n':
		return "", s[1:], true
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := 1
		for n < 3 && n < len(s) && '0' <= s[n] && s[n] <= '7' {
			n++
		}
		r, _ := strconv.ParseUint(s[:n], 8, 16)
		return string(rune(r)), s[n:], true
	default:
		for i := 0; i < len(simple); i += 2 {
			if simple[i] == c {
				return simple[i+1 : i+2], s[1:], true
			}
		}
		return `\`, s, true
	}
}

func codePoint(s string, n int) (text, rest string, ok bool) {
	if len(s) < n {
		return "", "", false
	}
	r, err := strconv.ParseUint(s[:n], 16, 32)
	if err != nil || !utf8.ValidRune(rune(r)) {
		return "", "", false
	}
	return string(rune(r)), s[n:], true
}
