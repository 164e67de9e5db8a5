package requirements

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// SyntaxError says where a requirement, or a file of them, stops making sense.
type SyntaxError struct {
	File string // as given to Parse; empty for a requirement by itself
	Line int    // from 1
	Col  int    // in characters, from 1
	Text string // the line
	Msg  string
}

// Error shows the line, or what of a long one is near the place, with a caret
// below it.
func (e *SyntaxError) Error() string {
	where := "parsing requirement"
	if e.File != "" {
		where = fmt.Sprintf("parsing %s:%d:%d", e.File, e.Line, e.Col)
	}
	text, col := excerpt.Around(e.Text, e.Col)
	var pad strings.Builder
	for i, r := range []rune(text) {
		if i >= col-1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		pad.WriteRune(r)
	}
	return fmt.Sprintf("%s: %s\n    %s\n    %s^", where, e.Msg, text, pad.String())
}
