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

func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("a plain value did not encode"), err))
	}
	return string(b)
}
