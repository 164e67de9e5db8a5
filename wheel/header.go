package wheel

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// field is one header of METADATA or WHEEL.
type field struct{ key, value string }

// parseHeaders reads the headers of an e-mail message, the format of METADATA
// and WHEEL, up to the first empty line. Folded lines are joined by a newline
// and their indentation dropped. Key is the name of the file, for errors.
func parseHeaders(name string, r io.Reader, limit int64) ([]field, error) {
	// METADATA's body is a README of any size: never read past the headers.
	s := bufio.NewScanner(io.LimitReader(r, limit+1))
	s.Buffer(make([]byte, 4096), 1<<20)
	var fields []field
	var read int64
	for line := 1; s.Scan(); line++ {
		text := strings.TrimSuffix(s.Text(), "\r")
		if read += int64(len(text)) + 1; read > limit {
			return nil, fmt.Errorf("%s has more than %d bytes of headers", name, limit)
		}
		if line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" {
			break
		}
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("line %d of %s is not UTF-8", line, name)
		}
		if text[0] == ' ' || text[0] == '\t' {
			if len(fields) == 0 {
				return nil, fmt.Errorf("line 1 of %s continues nothing", name)
			}
			last := &fields[len(fields)-1]
			last.value += "\n" + strings.TrimSpace(text)
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			return nil, fmt.Errorf("line %d of %s is no header: %q", line, name, text)
		}
		fields = append(fields, field{key, strings.TrimSpace(value)})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return fields, nil
}

// first is the value of the first header called key, in any case.
func first(fields []field, key string) (string, bool) {
	for _, f := range fields {
		if strings.EqualFold(f.key, key) {
			return f.value, true
		}
	}
	return "", false
}

// all are the values of the headers called key, in any case.
func all(fields []field, key string) []string {
	var values []string
	for _, f := range fields {
		if strings.EqualFold(f.key, key) {
			values = append(values, f.value)
		}
	}
	return values
}
