// Package pyconst reads the constants of a Python module without running it:
// upstreams pin what they download in such modules. Start with Parse.
//
// Understood are assignments to a name at the top of the module or of a class,
// annotated or not, of a string, or of a tuple, list or dict of what is
// understood. All else is opaque: named, and refused when it is asked for.
package pyconst

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Module is what a Python module assigns.
type Module struct {
	name    string
	strings map[string]string // ArtifactPath.FMHA, CheckSums.DSL.aarch64.sm_100a, Names.0
	opaque  map[string]string // name -> why it is not understood
}

// Parse reads a module's text; name stands in messages. Text that is no Python
// at all (an open bracket or string at its end) is an error; what is merely not
// understood is opaque.
func Parse(name string, src []byte) (*Module, error) {
	lines, err := logicalLines(string(src))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	m := &Module{name: name, strings: map[string]string{}, opaque: map[string]string{}}
	m.read(lines)
	return m, nil
}

// String is the constant behind a dotted name: attributes of classes, keys of
// dicts and places in tuples alike.
func (m *Module) String(name string) (string, error) {
	if s, ok := m.strings[name]; ok {
		return s, nil
	}
	for whole := name; whole != ""; whole = parent(whole) {
		if why, ok := m.opaque[whole]; ok {
			return "", fmt.Errorf("%s: %s is not a constant that can be read without running Python: %s", m.name, whole, why)
		}
	}
	return "", fmt.Errorf("%s has no string constant %s; it has %s", m.name, name, m.near(name))
}

// Names lists the string constants, sorted.
func (m *Module) Names() []string { return slices.Sorted(maps.Keys(m.strings)) }

// near lists what stands beside a name that is not there.
func (m *Module) near(name string) string {
	var found []string
	for up := parent(name); len(found) == 0; up = parent(up) {
		for _, n := range m.Names() {
			if up == "" || strings.HasPrefix(n, up+".") {
				found = append(found, n)
			}
		}
		if up == "" {
			break
		}
	}
	const most = 12
	switch {
	case len(found) == 0:
		return "none"
	case len(found) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(found[:most], ", "), len(found)-most)
	}
	return strings.Join(found, ", ")
}

func parent(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return name[:i]
}

var (
	classRE  = regexp.MustCompile(`^class\s+([A-Za-z_]\w*)\s*(\(.*\))?\s*:\s*$`)
	defRE    = regexp.MustCompile(`^(?:async\s+)?def\b`)
	assignRE = regexp.MustCompile(`(?s)^([A-Za-z_]\w*)\s*(?::([^=]*))?=([^=].*)$`)
	bindRE   = regexp.MustCompile(`(?:^|[^=!<>])=(?:$|[^=])|^(?:del|for|import|from|with|global|nonlocal)\b`)
	dottedRE = regexp.MustCompile(`[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*`)
)

// block is an indented part of the module.
type block struct {
	indent   int
	class    string // dotted name of the class whose body it is, "" for none
	data     bool   // its assignments are constants: module or class body
	function bool   // it runs when it is called, if ever
}

func (m *Module) read(lines []line) {
	stack := []block{{data: true}}
	opens := false
	var next block
	for _, l := range lines {
		for len(stack) > 1 && l.indent < stack[len(stack)-1].indent {
			stack = stack[:len(stack)-1]
		}
		if opens && l.indent > stack[len(stack)-1].indent {
			next.indent = l.indent
			stack = append(stack, next)
		}
		here := stack[len(stack)-1]
		opens = strings.HasSuffix(l.text, ":")
		next = block{class: here.class, function: here.function || defRE.MatchString(l.text)}
		if c := classRE.FindStringSubmatch(l.text); c != nil && here.data {
			next = block{class: join(here.class, c[1]), data: true}
			continue
		}
		if !here.function && !next.function {
			m.statement(here, l)
		}
	}
}

func join(class, name string) string {
	if class == "" {
		return name
	}
	return class + "." + name
}

// statement takes in one line of a block that is not a function's.
func (m *Module) statement(b block, l line) {
	a := assignRE.FindStringSubmatch(l.text)
	if a == nil || !b.data {
		m.other(b, l)
		return
	}
	name := join(b.class, a[1])
	if m.known(name) {
		m.hide(name, fmt.Sprintf("line %d assigns it again", l.number))
		return
	}
	found := map[string]string{}
	v := value{text: strings.TrimSpace(a[3])}
	if err := v.into(name, found); err != nil {
		m.hide(name, fmt.Sprintf("line %d: %v", l.number, err))
		m.other(b, line{l.number, l.indent, v.text}) // a = b = "..."
		return
	}
	maps.Copy(m.strings, found)
}

// other takes in a statement that may bind names in a way that is not followed:
// none of those that it mentions is a constant any more.
func (m *Module) other(b block, l line) {
	bare := bareText(l.text)
	if !bindRE.MatchString(bare) {
		return
	}
	for _, name := range dottedRE.FindAllString(bare, -1) {
		m.hide(join(b.class, name), fmt.Sprintf("line %d may change it", l.number))
	}
}

// bareText is a line without what stands in brackets and strings.
func bareText(text string) string {
	var out strings.Builder
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\'':
			n, err := stringEnd(text[i:])
			if err != nil {
				return out.String()
			}
			i += n - 1
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func (m *Module) known(name string) bool {
	if _, ok := m.opaque[name]; ok {
		return true
	}
	for n := range m.strings {
		if n == name || strings.HasPrefix(n, name+".") {
			return true
		}
	}
	return false
}

// hide makes a name opaque, with all below it.
func (m *Module) hide(name, why string) {
	maps.DeleteFunc(m.strings, func(n, _ string) bool { return n == name || strings.HasPrefix(n, name+".") })
	m.opaque[name] = why
}
