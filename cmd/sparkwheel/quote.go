package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// quoted is the border to the user's terminal: whatever a command prints that
// came from METADATA, a requirement file, a log, a ref or a server passes here.
// What a terminal would obey, or that would turn the text around, is written as
// \uXXXX, which JSON reads back as what it was.
type quoted struct {
	mu sync.Mutex
	w  io.Writer
	// part is the beginning of a character whose end is not written yet.
	part []byte
}

// quote shows all but a line's end and a tab.
func quote(w io.Writer) io.Writer { return &quoted{w: w} }

// Write writes all of p, or an error.
func (q *quoted) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	text := p
	if len(q.part) > 0 {
		text = append(q.part, p...)
		q.part = nil
	}
	if i := cutRune(text); i < len(text) {
		q.part = append([]byte{}, text[i:]...)
		text = text[:i]
	}
	if _, err := io.WriteString(q.w, quotedText(string(text))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cutRune is where the character begins that the end of text cuts, len(text)
// where it cuts none.
func cutRune(text []byte) int {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}

// quotedText is s without characters that move a cursor, colour, hide or turn.
func quotedText(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unprintable are the characters that a terminal obeys (C0 and C1, but for a
// line's end and a tab), those that change the direction of text, and what is
// not UTF-8.
func unprintable(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r == utf8.RuneError:
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// exactly is stdout for what another program must get byte for byte, as a patch:
// unquoted, unless somebody looks at it.
func (a *app) exactly() io.Writer {
	if file, ok := a.pipe.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return a.Stdout
	}
	return a.pipe
}
