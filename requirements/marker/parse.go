package marker

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkwheel/sparkwheel/requirements/internal/name"
)

// maxDepth bounds nested parentheses, so that no input can exhaust the stack.
const maxDepth = 100

// Parse reads a marker expression. The error is a *SyntaxError.
func Parse(s string) (Expr, error) {
	p := &parser{text: s}
	root := p.group(0)
	if p.err == nil && p.pos < len(s) {
		p.fail(`expected "and", "or" or the end`)
	}
	if p.err != nil {
		return Expr{}, p.err
	}
	return Expr{root}, nil
}

// parser stops at its first error; after it, its methods do nothing.
type parser struct {
	text string
	pos  int
	err  error
}

func (p *parser) fail(msg string) {
	p.failAt(p.pos, msg)
}

func (p *parser) failAt(pos int, msg string) {
	if p.err == nil {
		p.err = &SyntaxError{Text: p.text, Offset: pos, Msg: msg}
	}
}

func (p *parser) rest() string { return p.text[p.pos:] }

func (p *parser) space() {
	p.pos = len(p.text) - len(strings.TrimLeft(p.rest(), " \t"))
}

// symbol takes s if it is next.
func (p *parser) symbol(s string) bool {
	if p.err != nil || !strings.HasPrefix(p.rest(), s) {
		return false
	}
	p.pos += len(s)
	return true
}

// word takes s if it is next and stands alone, as the regexp \bs\b would.
func (p *parser) word(s string) bool {
	before, _ := utf8.DecodeLastRuneInString(p.text[:p.pos])
	if p.err != nil || isWord(before) || !strings.HasPrefix(p.rest(), s) {
		return false
	}
	after, _ := utf8.DecodeRuneInString(p.rest()[len(s):])
	if isWord(after) {
		return false
	}
	p.pos += len(s)
	return true
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r))
}

func (p *parser) group(depth int) group {
	if depth > maxDepth {
		p.fail("parentheses nest too deeply")
		return nil
	}
	g := group{{node: p.atom(depth)}}
	for p.err == nil {
		switch {
		case p.word("or"):
			g = append(g, term{"or", p.atom(depth)})
		case p.word("and"):
			g = append(g, term{"and", p.atom(depth)})
		default:
			return g
		}
	}
	return g
}

func (p *parser) atom(depth int) node {
	p.space()
	var n node
	if open := p.pos; p.symbol("(") {
		p.space()
		n = p.group(depth + 1)
		p.space()
		if !p.symbol(")") {
			p.failAt(open, "expected a ) for this (")
		}
	} else {
		n = p.comparison()
	}
	p.space()
	return n
}

func (p *parser) comparison() comparison {
	left := p.operand()
	p.space()
	op := p.operator()
	p.space()
	right := p.operand()
	return normalizeExtra(comparison{left, right, op})
}

var operators = []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"}

func (p *parser) operator() string {
	if p.word("in") {
		return "in"
	}
	if p.word("not") {
		at := p.pos
		p.space()
		if p.pos == at || !p.word("in") {
			p.fail(`expected "in" after "not"`)
		}
		return "not in"
	}
	for _, op := range operators {
		if p.symbol(op) {
			return op
		}
	}
	p.fail("expected one of <= < != == >= > ~= === in, not in")
	return ""
}

// variables maps each spelling to the name of the environment's value. Those
// with dots, and python_implementation, are older than PEP 508.
var variables = []struct{ text, name string }{
	{"python_version", "python_version"},
	{"python_full_version", "python_full_version"},
	{"os_name", "os_name"},
	{"os.name", "os_name"},
	{"sys_platform", "sys_platform"},
	{"sys.platform", "sys_platform"},
	{"platform_release", "platform_release"},
	{"platform_system", "platform_system"},
	{"platform_version", "platform_version"},
	{"platform.version", "platform_version"},
	{"platform_machine", "platform_machine"},
	{"platform.machine", "platform_machine"},
	{"platform_python_implementation", "platform_python_implementation"},
	{"platform.python_implementation", "platform_python_implementation"},
	{"python_implementation", "platform_python_implementation"},
	{"implementation_name", "implementation_name"},
	{"implementation_version", "implementation_version"},
	{"extras", "extras"},
	{"extra", "extra"},
	{"dependency_groups", "dependency_groups"},
}

func (p *parser) operand() operand {
	for _, v := range variables {
		if p.word(v.text) {
			return operand{v.name, true}
		}
	}
	for _, quote := range []string{`'`, `"`} {
		at := p.pos
		if !p.symbol(quote) {
			continue
		}
		end := strings.Index(p.rest(), quote)
		if end < 0 {
			p.failAt(at, "expected the closing quote of this string")
			return operand{}
		}
		text, ok := unquote(p.rest()[:end])
		if !ok {
			p.failAt(at, "expected a Python string with complete escapes")
		}
		p.pos += end + 1
		return operand{text: text}
	}
	p.fail("expected a marker variable or a quoted string")
	return operand{}
}

// normalizeExtra folds the names of extras and groups as PEP 685 asks.
func normalizeExtra(c comparison) comparison {
	switch {
	case c.left.variable && c.left.text == "extra" && !c.right.variable:
		c.right.text = name.Fold(c.right.text)
	case c.right.variable && !c.left.variable:
		switch c.right.text {
		case "extra", "extras", "dependency_groups":
			c.left.text = name.Fold(c.left.text)
		}
	}
	return c
}
