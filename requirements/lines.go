package requirements

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// line is one line of a file's text: text[start:end] with its line break,
// text[start:stop] without.
type line struct {
	number           int // from 1
	start, stop, end int
}

// splitLines divides text where Python's str.splitlines does, as pip reads it;
// that is at more than line feeds.
func splitLines(text string) iter.Seq[line] {
	return func(yield func(line) bool) {
		for number, start := 1, 0; start < len(text); number++ {
			l := line{number, start, len(text), len(text)}
			if i := strings.IndexAny(text[start:], "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"); i >= 0 {
				l.stop = start + i
				_, n := utf8.DecodeRuneInString(text[l.stop:])
				if strings.HasPrefix(text[l.stop:], "\r\n") {
					n = 2
				}
				l.end = l.stop + n
			}
			if !yield(l) {
				return
			}
			start = l.end
		}
	}
}

// logicalLine is what pip reads as one line: lines that end in a backslash are
// joined with what follows, comments and surrounding white space are gone.
type logicalLine struct {
	lines []line
	text  string
	buf   []byte // of text, while lines are added
	at    []int  // where each byte of text stands in the file's text
	tail  bool   // the last of lines is a comment that ended a continuation
}

// joinLines gives the logical lines of text, empty ones and comments included.
func joinLines(text string) iter.Seq[logicalLine] {
	return func(yield func(logicalLine) bool) {
		var open logicalLine
		for l := range splitLines(text) {
			s := text[l.start:l.stop]
			open.lines = append(open.lines, l)
			comment := isComment(s)
			if strings.HasSuffix(s, `\`) && !comment {
				open.add(strings.Trim(s, `\`), l.start+len(s)-len(strings.TrimLeft(s, `\`)))
				continue
			}
			if comment {
				open.tail = len(open.lines) > 1
				open.add(" ", l.start)
			}
			open.add(s, l.start)
			if !yield(open.trim()) {
				return
			}
			open = logicalLine{}
		}
		if len(open.lines) > 0 {
			yield(open.trim())
		}
	}
}

// isComment reports whether nothing but white space stands before a #.
func isComment(s string) bool {
	return strings.HasPrefix(strings.TrimLeftFunc(s, isSpace), "#")
}

func (l *logicalLine) add(s string, at int) {
	l.buf = append(l.buf, s...)
	for i := range len(s) {
		l.at = append(l.at, at+i)
	}
}

// trim cuts the comment, which begins at a # after white space or at the start.
func (l logicalLine) trim() logicalLine {
	l.text, l.buf = string(l.buf), nil
	before := ' '
	for i, r := range l.text {
		if r == '#' && isSpace(before) {
			l.text = l.text[:i]
			break
		}
		before = r
	}
	end := len(strings.TrimRightFunc(l.text, isSpace))
	start := end - len(strings.TrimLeftFunc(l.text[:end], isSpace))
	l.text, l.at = l.text[start:end], l.at[start:end]
	return l
}

// place is the line and column, from 1, of a byte of the logical text.
func (l logicalLine) place(text string, offset int) (number, col int, content string) {
	at := l.lines[0].start
	if len(l.at) > 0 {
		at = l.at[min(offset, len(l.at)-1)] + max(0, offset-len(l.at)+1)
	}
	in := l.lines[0]
	for _, p := range l.lines {
		if p.start <= at {
			in = p
		}
	}
	at = min(at, in.stop)
	return in.number, utf8.RuneCountInString(text[in.start:at]) + 1, text[in.start:in.stop]
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
