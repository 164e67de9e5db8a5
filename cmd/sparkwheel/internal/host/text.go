package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Logf writes one line for the stage's log.
func Logf(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// Some is the beginning of a list, for a line.
func Some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// WriteJSON writes a document for people and programs: indented, with a final
// newline, and without the escapes that only HTML needs.
func WriteJSON(w io.Writer, document any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

// JSON is a plain value in one line, for a key or a file of ours.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("encoding a plain value failed"), err))
	}
	return string(b)
}

// Count is a number of things in words: "1 entry", "2 entries", "0 wheels". noun
// is a singular whose plural is regular.
func Count(n int, noun string) string {
	if n != 1 {
		if stem, ok := strings.CutSuffix(noun, "y"); ok {
			noun = stem + "ies"
		} else {
			noun += "s"
		}
	}
	return fmt.Sprintf("%d %s", n, noun)
}
