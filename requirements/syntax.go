package requirements

import (
	"fmt"
	"strings"
)

// SyntaxError says where a requirement, or a file of them, stops making sense.
type SyntaxError struct {
	File string // as given to Parse; empty for a requirement by itself
	Line int    // from 1
	Col  int    // in characters, from 1
	Text string // the line
	Msg  string
}

// Error shows the line with a caret below the place.
func (e *SyntaxError) Error() string {
	where := "parsing requirement"
	if e.File != "" {
		where = fmt.Sprintf("parsing %s:%d:%d", e.File, e.Line, e.Col)
	}
	var pad strings.Builder
	for i, r := range []rune(e.Text) {
		if i >= e.Col-1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		pad.WriteRune(r)
	}
	return fmt.Sprintf("%s: %s\n    %s\n    %s^", where, e.Msg, e.Text, pad.String())
}
