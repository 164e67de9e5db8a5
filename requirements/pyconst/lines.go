package pyconst

import (
	"errors"
	"fmt"
	"strings"
)

// line is a logical line: brackets and strings closed, comments gone.
type line struct {
	number int // of its first physical line
	indent int
	text   string
}

const deepest = 100

// logicalLines splits a module as Python's tokenizer does, as far as it takes
// to find where statements begin.
func logicalLines(src string) ([]line, error) {
	var out []line
	var text strings.Builder
	var open []byte
	number, start, fresh := 1, 1, true
	indent := 0
	end := func() {
		if t := strings.TrimSpace(text.String()); t != "" {
			out = append(out, line{start, indent, t})
		}
		text.Reset()
		fresh = true
	}
	for i := 0; i < len(src); {
		if fresh {
			rest := strings.TrimLeft(src[i:], " \t\f")
			indent, start, fresh = width(src[i:len(src)-len(rest)]), number, false
			i = len(src) - len(rest)
			continue
		}
		c := src[i]
		switch {
		case c == '#':
			for i < len(src) && src[i] != '\n' {
				i++
			}
			continue
		case c == '"' || c == '\'':
			n, err := stringEnd(src[i:])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			text.WriteString(src[i : i+n])
			number += strings.Count(src[i:i+n], "\n")
			i += n
			continue
		case strings.IndexByte("([{", c) >= 0:
			if open = append(open, c); len(open) > deepest {
				return nil, fmt.Errorf("line %d: brackets more than %d deep", number, deepest)
			}
		case strings.IndexByte(")]}", c) >= 0:
			if len(open) == 0 || !pairs(open[len(open)-1], c) {
				return nil, fmt.Errorf("line %d: %q closes nothing", number, c)
			}
			open = open[:len(open)-1]
		case c == '\\' && strings.HasPrefix(src[i+1:], "\n"):
			number++
			i += 2
			text.WriteByte(' ')
			continue
		case c == '\n' || c == ';' && len(open) == 0:
			if c == '\n' {
				number++
			}
			i++
			if len(open) > 0 {
				text.WriteByte(' ')
				continue
			}
			keep := indent
			end()
			if c == ';' {
				fresh, indent, start = false, keep, number
			}
			continue
		}
		text.WriteByte(c)
		i++
	}
	if len(open) > 0 {
		return nil, errors.New("a bracket is not closed at its end")
	}
	end()
	return out, nil
}

func width(space string) (n int) {
	for _, c := range space {
		if c == '\t' {
			n = n/8*8 + 8
		} else {
			n++
		}
	}
	return n
}

func pairs(open, end byte) bool {
	return open == '(' && end == ')' || open == '[' && end == ']' || open == '{' && end == '}'
}

// stringEnd is the length of the string literal at the beginning of s.
func stringEnd(s string) (int, error) {
	quote := s[:1]
	if strings.HasPrefix(s, strings.Repeat(quote, 3)) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote), nil
		case s[i] == '\n' && len(quote) == 1:
			return 0, errors.New("a string is not closed at the line's end")
		}
	}
	return 0, errors.New("a string is not closed")
}
