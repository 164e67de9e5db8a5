package cmake

import (
	"bytes"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// Parse splits a file into its commands. Its error is a *SyntaxError that
// names the file as file.
func Parse(file string, text []byte) ([]Command, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	// CMake reads files as text; a line may end with CR LF.
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	l := &lexer{file: file, text: string(text), line: 1}
	var commands []Command
	for {
		if err := l.blank(); err != nil {
			return nil, err
		}
		if l.end() {
			return commands, nil
		}
		c, err := l.command()
		if err != nil {
			return nil, err
		}
		commands = append(commands, c)
	}
}

type lexer struct {
	file string
	text string
	at   int
	line int
}

func (l *lexer) end() bool { return l.at >= len(l.text) }

func (l *lexer) fault(message string) error {
	return &SyntaxError{File: l.file, Line: l.line, Message: message}
}

// take moves over n bytes and returns them.
func (l *lexer) take(n int) string {
	s := l.text[l.at : l.at+n]
	l.at += n
	l.line += strings.Count(s, "\n")
	return s
}

// blank moves over spaces, line ends and comments.
func (l *lexer) blank() error {
	for !l.end() {
		switch c := l.text[l.at]; c {
		case ' ', '\t', '\r', '\n':
			l.take(1)
		case '#':
			if n := bracketOpening(l.text[l.at+1:]); n > 0 {
				l.take(1)
				if _, err := l.bracket(n); err != nil {
					return err
				}
				continue
			}
			n := strings.IndexByte(l.text[l.at:], '\n')
			if n < 0 {
				n = len(l.text) - l.at
			}
			l.take(n)
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) command() (Command, error) {
	n := 0
	for l.at+n < len(l.text) && isIdentifier(l.text[l.at+n], n == 0) {
		n++
	}
	if n == 0 {
		return Command{}, l.fault("a command's name is expected")
	}
	c := Command{Line: l.line, Name: l.take(n)}
	for !l.end() && (l.text[l.at] == ' ' || l.text[l.at] == '\t') {
		l.take(1)
	}
	if l.end() || l.text[l.at] != '(' {
		return Command{}, l.fault("a ( is expected after " + excerpt.Word(c.Name))
	}
	l.take(1)
	for depth := 1; ; {
		if err := l.blank(); err != nil {
			return Command{}, err
		}
		if l.end() {
			return Command{}, &SyntaxError{l.file, c.Line, "no ) closes " + excerpt.Word(c.Name)}
		}
		arg, err := l.argument()
		if err != nil {
			return Command{}, err
		}
		switch arg.Kind {
		case Open:
			depth++
		case Close:
			depth--
		}
		if depth == 0 {
			return c, nil
		}
		if depth > maxNesting {
			return Command{}, l.fault("parentheses are nested too deeply")
		}
		c.Args = append(c.Args, arg)
	}
}

// argument reads one argument or parenthesis; there is one.
func (l *lexer) argument() (Arg, error) {
	line := l.line
	switch l.text[l.at] {
	case '(':
		return Arg{Open, l.take(1), line}, nil
	case ')':
		return Arg{Close, l.take(1), line}, nil
	case '"':
		text, err := l.quoted()
		return Arg{Quoted, text, line}, err
	case '[':
		if n := bracketOpening(l.text[l.at:]); n > 0 {
			text, err := l.bracket(n)
			return Arg{Bracket, text, line}, err
		}
	}
	text, err := l.unquoted()
	return Arg{Unquoted, text, line}, err
}

// quoted reads "...", in which a backslash at a line's end joins lines.
func (l *lexer) quoted() (string, error) {
	start := l.line
	l.take(1)
	var text strings.Builder
	for !l.end() {
		switch c := l.text[l.at]; {
		case c == '"':
			l.take(1)
			return text.String(), nil
		case c == '\\' && strings.HasPrefix(l.text[l.at:], "\\\n"):
			l.take(2)
		case c == '\\' && l.at+1 < len(l.text):
			text.WriteString(l.take(2))
		default:
			text.WriteString(l.take(1))
		}
	}
	return "", &SyntaxError{l.file, start, "this string has no closing quote"}
}

// bracketOpening is the length of [[, [=[, [==[ and so on at the start of s.
func bracketOpening(s string) int {
	if s == "" || s[0] != '[' {
		return 0
	}
	n := 1
	for n < len(s) && s[n] == '=' {
		n++
	}
	if n < len(s) && s[n] == '[' {
		return n + 1
	}
	return 0
}

// bracket reads a bracket argument or comment whose opening is n long. A line
// end right behind the opening does not count.
func (l *lexer) bracket(n int) (string, error) {
	start := l.line
	closing := "]" + strings.Repeat("=", n-2) + "]"
	l.take(n)
	i := strings.Index(l.text[l.at:], closing)
	if i < 0 {
		return "", &SyntaxError{l.file, start, "no " + excerpt.Word(closing) + " ends this bracket"}
	}
	text := l.take(i)
	l.take(len(closing))
	return strings.TrimPrefix(text, "\n"), nil
}

// unquoted reads an unquoted argument, in CMake's legacy form too: quotes and
// $(MAKE) inside it belong to it (-Da="b c").
func (l *lexer) unquoted() (string, error) {
	from := l.at
	for !l.end() {
		switch c := l.text[l.at]; {
		case strings.IndexByte(" \t\r\n()#", c) >= 0:
			return l.text[from:l.at], nil
		case c == '\\':
			if l.at+1 >= len(l.text) || l.text[l.at+1] == '\n' {
				return "", l.fault("a line ends in a backslash")
			}
			l.take(2)
		case c == '"':
			n := legacyQuote(l.text[l.at:])
			if n == 0 {
				return l.text[from:l.at], nil
			}
			l.take(n)
		case c == '$':
			l.take(max(1, makeReference(l.text[l.at:])))
		case c == 0:
			return "", l.fault("the text has a zero byte")
		default:
			l.take(1)
		}
	}
	return l.text[from:l.at], nil
}

// legacyQuote is the length of a quoted part inside an unquoted argument; 0
// when the quote begins an argument of its own.
func legacyQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			if i+1 < len(s) && s[i+1] == '\n' {
				return 0
			}
			i++
		case '$':
			i += max(1, makeReference(s[i:])) - 1
		case '\n', '\r', '(', ')', '#', 0:
			return 0
		}
	}
	return 0
}

// makeReference is the length of $(NAME) at the start of s, else 0.
func makeReference(s string) int {
	if !strings.HasPrefix(s, "$(") {
		return 0
	}
	i := 2
	for i < len(s) && (isIdentifier(s[i], false)) {
		i++
	}
	if i < len(s) && s[i] == ')' {
		return i + 1
	}
	return 0
}

func isIdentifier(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}
