// Package marker parses environment markers (PEP 508 and the packaging
// specification "dependency specifiers") and evaluates them for a target's
// environment, never for the host's. Its results are those of pypa/packaging.
package marker

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// Expr is a parsed marker. The zero Expr is no marker: it is true everywhere.
type Expr struct {
	root group
}

// IsZero reports whether there is no marker.
func (e Expr) IsZero() bool { return e.root == nil }

// String is the marker in packaging's canonical spelling: one space between
// words, double quotes, extras normalised, parentheses where they were.
func (e Expr) String() string {
	if e.IsZero() {
		return ""
	}
	return e.root.format(true)
}

// node is a comparison or a group.
type node interface {
	format(outermost bool) string
	eval(l lookup) (bool, error)
}

// group is a run of nodes joined by and and or; and binds tighter.
type group []term

// term is a node with the word that joins it to the one before, "" for the first.
type term struct {
	join string
	node node
}

func (g group) format(outermost bool) string {
	if len(g) == 1 {
		return g[0].node.format(outermost)
	}
	var b strings.Builder
	for _, t := range g {
		if t.join != "" {
			b.WriteString(" " + t.join + " ")
		}
		b.WriteString(t.node.format(false))
	}
	if outermost {
		return b.String()
	}
	return "(" + b.String() + ")"
}

// comparison is the smallest marker: two operands and an operator.
type comparison struct {
	left, right operand
	op          string
}

func (c comparison) format(bool) string {
	return c.left.String() + " " + c.op + " " + c.right.String()
}

// operand is a variable's name or a string.
type operand struct {
	text     string
	variable bool
}

// String writes a string raw where it is read back so, as packaging does.
func (o operand) String() string {
	if o.variable {
		return o.text
	}
	raw, ok := unquote(o.text)
	switch {
	case !ok || raw != o.text:
		return `"` + escape.Replace(o.text) + `"`
	case !strings.Contains(o.text, `"`):
		return `"` + o.text + `"`
	case !strings.Contains(o.text, "'"):
		return "'" + o.text + "'"
	}
	return `"` + escape.Replace(o.text) + `"`
}

var escape = strings.NewReplacer(`"`, `\x22`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\x00", `\x00`)

// SyntaxError says where Text stops being a marker.
type SyntaxError struct {
	Text string
	// Offset counts bytes from the start of Text.
	Offset int
	// Msg says what was expected there.
	Msg string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("parsing marker %q: %s at byte %d", excerpt.Of(e.Text), e.Msg, e.Offset)
}
