// Package header reads the headers of METADATA and WHEEL, which are those of an
// e-mail message, and keeps every byte of them.
package header

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Header is one header with its continuation lines and line breaks.
type Header struct {
	Line int    // of the file, from 1
	Text string // as it is written: those of all headers are the file up to its body
}

// All yields the headers of r up to the first empty line; behind that stands
// METADATA's body, a README of any size. More than limit bytes before that
// line, and an r that fails, end it with an error.
func All(r io.Reader, limit int64) iter.Seq2[Header, error] {
	return func(yield func(Header, error) bool) {
		lines := bufio.NewReader(io.LimitReader(r, limit+1))
		var text strings.Builder
		var began int
		var read int64
		for number := 1; ; number++ {
			line, err := lines.ReadString('\n')
			if read += int64(len(line)); read > limit {
				err = fmt.Errorf("more than %d bytes of headers", limit)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Header{}, err)
				return
			}
			if text.Len() > 0 && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
				if !yield(Header{began, text.String()}, nil) {
					return
				}
				text.Reset()
			}
			if strings.TrimRight(line, "\r\n") == "" {
				return
			}
			if text.Len() == 0 {
				began = number
			}
			text.WriteString(line)
		}
	}
}

// Cut takes the header apart around its value: before ends with the colon and
// the white space behind it, after is the white space at the end.
func (h Header) Cut() (before, value, after string) {
	key, rest, ok := strings.Cut(h.Text, ":")
	if !ok {
		return h.Text, "", ""
	}
	value = strings.TrimRight(strings.TrimLeft(rest, " \t"), " \t\r\n")
	space := strings.Index(rest, value)
	return h.Text[:len(key)+1+space], value, rest[space+len(value):]
}

// Key is what stands before the colon; ok is false when no colon, or no key,
// makes the text a header.
func (h Header) Key() (key string, ok bool) {
	key, _, ok = strings.Cut(h.Text, ":")
	return key, ok && key != "" && !strings.ContainsAny(key, " \t\n")
}
