package wheel

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sparkwheel/sparkwheel/wheel/internal/header"
)

// field is one header of METADATA or WHEEL.
type field struct{ key, value string }

// parseHeaders reads the headers of METADATA or WHEEL. Folded lines are joined
// by a newline and their indentation dropped. Name is the file's, for errors.
func parseHeaders(name string, r io.Reader, limit int64) ([]field, error) {
	var fields []field
	for h, err := range header.All(r, limit) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if h.Line == 1 {
			h.Text = strings.TrimPrefix(h.Text, "\ufeff")
		}
		if !utf8.ValidString(h.Text) {
			return nil, fmt.Errorf("line %d of %s is not UTF-8", h.Line, name)
		}
		key, ok := h.Key()
		if !ok {
			return nil, fmt.Errorf("line %d of %s is not a header: %q", h.Line, name, strings.TrimRight(h.Text, "\r\n"))
		}
		_, value, _ := h.Cut()
		var lines []string
		for line := range strings.SplitSeq(value, "\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
		fields = append(fields, field{key, strings.Join(lines, "\n")})
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
