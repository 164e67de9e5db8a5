package requirements

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// codec turns a file's bytes into text and back: a mark at the start, then text.
// Without an encoding it is UTF-8.
type codec struct {
	bom      string
	encoding encoding.Encoding
}

// UTF-32 stands before UTF-16, whose little-endian mark it begins with.
var marked = []codec{
	{"\xef\xbb\xbf", nil},
	{"\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
}

// declaration is that of PEP 263; like pip, it is looked for in comments on the
// first two lines only.
var declaration = regexp.MustCompile(`coding[:=]\s*([-\w.]+)`)

// detect finds how src is encoded: by its mark, its declaration, or as UTF-8.
func detect(name string, src []byte) (codec, error) {
	for _, c := range marked {
		if bytes.HasPrefix(src, []byte(c.bom)) {
			return c, nil
		}
	}
	for i, line := range bytes.SplitN(src, []byte("\n"), 3) {
		m := declaration.FindSubmatch(line)
		if i == 2 || m == nil || line[0] != '#' {
			continue
		}
		e, ok := declared(string(m[1]))
		if !ok {
			return codec{}, &SyntaxError{
				File: name, Line: i + 1, Col: 1, Text: strings.ToValidUTF8(string(line), "?"),
				Msg: fmt.Sprintf("encoding %q is not supported; save the file as UTF-8", m[1]),
			}
		}
		return codec{"", e}, nil
	}
	return codec{}, nil
}

// declared knows the names Python gives to UTF-8, ASCII and the one-byte
// encodings; a nil Encoding is UTF-8.
func declared(name string) (encoding.Encoding, bool) {
	name = plain(name)
	switch name {
	case "utf8", "u8", "ascii", "usascii", "utf8sig":
		return nil, true
	case "latin1", "l1":
		name = "iso88591"
	}
	for _, e := range charmap.All {
		c, ok := e.(*charmap.Charmap)
		if !ok {
			continue
		}
		if known := plain(c.String()); known == name || strings.Replace(known, "windows", "cp", 1) == name {
			return c, true
		}
	}
	return nil, false
}

// plain drops what spellings of one encoding differ in.
func plain(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// decode refuses bytes that the encoding does not give back.
func (c codec) decode(name string, src []byte) (string, error) {
	body := src[len(c.bom):]
	if c.encoding == nil {
		if i := invalidUTF8(body); i >= 0 {
			return "", encodingError(name, body, i, "not UTF-8; declare the encoding as `# coding: latin-1` does, or save the file as UTF-8")
		}
		return string(body), nil
	}
	text, err := c.encoding.NewDecoder().String(string(body))
	if err != nil || !bytes.Equal(c.encode(text), src) {
		return "", encodingError(name, nil, 0, "not in the encoding that the file's first bytes declare")
	}
	return text, nil
}

// encode is the inverse of decode; text must consist of what decode gave and of
// ASCII. A rune that the encoding lacks cannot come up.
func (c codec) encode(text string) []byte {
	if c.encoding == nil {
		return []byte(c.bom + text)
	}
	body, err := c.encoding.NewEncoder().String(text)
	if err != nil {
		return nil
	}
	return []byte(c.bom + body)
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func encodingError(name string, body []byte, at int, msg string) error {
	start := bytes.LastIndexByte(body[:at], '\n') + 1
	line, _, _ := bytes.Cut(body[start:], []byte("\n"))
	return &SyntaxError{
		File: name, Line: bytes.Count(body[:at], []byte("\n")) + 1,
		Col:  utf8.RuneCount(body[start:at]) + 1,
		Text: strings.ToValidUTF8(string(line), "\ufffd"), Msg: msg,
	}
}
