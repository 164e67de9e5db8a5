// Package excerpt shortens what a message quotes of a file that anybody may have
// written: a requirement of 100 KB is not shown whole.
package excerpt

import (
	"fmt"
	"strings"
)

// Word is the beginning of s in one line of at most 40 bytes.
func Word(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:37], "") + "..."
	}
	return s
}

// width is how many characters of a line are shown.
const width = 200

// Of is the text where it is short, else its beginning and its end, with what
// was left out between them counted.
func Of(text string) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	const head, tail = width * 3 / 4, width / 4
	return fmt.Sprintf("%s … (%d more characters) … %s", string(runes[:head]), len(runes)-head-tail, string(runes[len(runes)-tail:]))
}

// Around is the part of a line around a column, from 1, and the column that the
// place then has.
func Around(line string, col int) (string, int) {
	runes := []rune(line)
	if len(runes) <= width {
		return line, col
	}
	start := max(0, min(col-1, len(runes))-width/2)
	end := min(len(runes), start+width)
	text, at := string(runes[start:end]), col-start
	if start > 0 {
		text, at = "…"+text, at+1
	}
	if end < len(runes) {
		text += "…"
	}
	return text, at
}
