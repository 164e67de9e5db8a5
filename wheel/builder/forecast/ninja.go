package forecast

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Bounds of what is read of ninja files: FlashInfer's have 3,400 edges in 650
// files, the largest of vLLM's is 2 MB.
const (
	maxNinjaBytes = 256 << 20
	maxNinjaDepth = 16
	maxNinjaEdges = 1 << 20
	maxExpansion  = 1 << 20
)

// edge is one step of a ninja file: what it makes of what.
type edge struct {
	outs, ins []string
	after     []string // what has to be there before, and becomes no part of it
	command   string
}

// scope is the variables of a file; a subninja's looks into its parent's.
type scope struct {
	vars   map[string]string
	rules  map[string]map[string]string // raw: expanded for each edge
	parent *scope
}

func newScope(parent *scope) *scope {
	return &scope{vars: map[string]string{}, rules: map[string]map[string]string{}, parent: parent}
}

func (s *scope) get(name string) string {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	return ""
}

func (s *scope) rule(name string) map[string]string {
	for ; s != nil; s = s.parent {
		if r, ok := s.rules[name]; ok {
			return r
		}
	}
	return nil
}

// ninja reads ninja files, as https://ninja-build.org/manual.html#ref_ninja_file
// describes them.
type ninja struct {
	read     func(name string) ([]byte, error)
	edges    []edge
	defaults []string
	bytes    int
}

func (n *ninja) file(name string, s *scope, depth int) error {
	if depth > maxNinjaDepth {
		return fmt.Errorf("reading %q: more than %d nested files", name, maxNinjaDepth)
	}
	text, err := n.read(name)
	if err != nil {
		return err
	}
	if n.bytes += len(text); n.bytes > maxNinjaBytes {
		return fmt.Errorf("reading %q: more than %d bytes of ninja files", name, maxNinjaBytes)
	}
	p := &parser{text: strings.ReplaceAll(string(text), "\r\n", "\n")}
	for {
		line, ok := p.next()
		if !ok {
			return nil
		}
		if err := n.statement(p, line, s, depth); err != nil {
			return fmt.Errorf("reading %q: line %d: %w", name, p.line, err)
		}
	}
}

func (n *ninja) statement(p *parser, line string, s *scope, depth int) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	switch word {
	case "rule":
		s.rules[rest] = p.block()
	case "build":
		return n.build(rest, p.block(), s)
	case "pool":
		p.block()
	case "default":
		n.defaults = append(n.defaults, paths(fields(rest), s.get)...)
	case "include":
		return n.file(expand(rest, s.get), s, depth+1)
	case "subninja":
		return n.file(expand(rest, s.get), newScope(s), depth+1)
	default:
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("%.80q is not a statement of ninja", line)
		}
		s.vars[strings.TrimSpace(key)] = expand(strings.TrimLeft(value, " "), s.get)
	}
	return nil
}

// build notes an edge, with its command expanded.
func (n *ninja) build(line string, block map[string]string, s *scope) error {
	outs, rest, ok := cutColon(line)
	if !ok {
		return errors.New("a build without a colon")
	}
	words := fields(rest)
	if len(words) == 0 {
		return errors.New("a build without a rule")
	}
	own := map[string]string{}
	for k, v := range block {
		own[k] = expand(v, s.get)
	}
	lookup := func(name string) string {
		if v, ok := own[name]; ok {
			return v
		}
		return s.get(name)
	}
	e := edge{outs: paths(fields(outs), lookup), ins: paths(words[1:], lookup), after: orderOnly(words[1:], lookup)}
	rule := s.rule(words[0])
	var inRule func(name string) string
	depth := 0
	inRule = func(name string) string {
		switch name {
		case "in", "in_newline":
			return strings.Join(explicit(words[1:], lookup), " ")
		case "out":
			return strings.Join(explicit(fields(outs), lookup), " ")
		}
		if v, ok := own[name]; ok {
			return v
		}
		if v, ok := rule[name]; ok && depth < maxNinjaDepth {
			depth++
			defer func() { depth-- }()
			return expand(v, inRule)
		}
		return s.get(name)
	}
	e.command = inRule("command")
	if n.edges = append(n.edges, e); len(n.edges) > maxNinjaEdges {
		return fmt.Errorf("more than %d builds", maxNinjaEdges)
	}
	return nil
}

// paths are the files among the words of a build line: order-only and
// validation inputs are left out, for they become no part of an output.
func paths(words []string, get func(string) string) []string {
	var files []string
	for _, w := range words {
		switch w {
		case "||", "|@":
			return files
		case "|":
			continue
		}
		files = append(files, path.Clean(expand(w, get)))
	}
	return files
}

// orderOnly are the inputs behind the double bar.
func orderOnly(words []string, get func(string) string) []string {
	i := slices.Index(words, "||")
	if i < 0 {
		return nil
	}
	return paths(words[i+1:], get)
}

// explicit are the words of a build line up to the first bar.
func explicit(words []string, get func(string) string) []string {
	var files []string
	for _, w := range words {
		if strings.HasPrefix(w, "|") {
			break
		}
		files = append(files, expand(w, get))
	}
	return files
}

// parser cuts a ninja file into logical lines.
type parser struct {
	text string
	line int
}

// peek returns the next logical line, joined where lines end in a dollar sign,
// and what of the text comes behind it.
func (p *parser) peek() (line, rest string, lines int, ok bool) {
	rest = p.text
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "\n")
		lines++
		for strings.HasSuffix(part, "$") && (len(part)-len(strings.TrimRight(part, "$")))%2 == 1 && rest != "" {
			var next string
			next, rest, _ = strings.Cut(rest, "\n")
			lines++
			part = part[:len(part)-1] + strings.TrimLeft(next, " ")
		}
		if t := strings.TrimLeft(part, " "); t == "" || t[0] == '#' {
			continue
		}
		return part, rest, lines, true
	}
	return "", "", lines, false
}

func (p *parser) next() (string, bool) {
	line, rest, lines, ok := p.peek()
	p.text, p.line = rest, p.line+lines
	return line, ok
}

// block reads the indented variables below a statement, unexpanded.
func (p *parser) block() map[string]string {
	vars := map[string]string{}
	for {
		line, rest, lines, ok := p.peek()
		if !ok || line[0] != ' ' {
			return vars
		}
		p.text, p.line = rest, p.line+lines
		if key, value, ok := strings.Cut(line, "="); ok {
			vars[strings.TrimSpace(key)] = strings.TrimLeft(value, " ")
		}
	}
}

// cutColon cuts a build line at its first colon that no dollar sign quotes.
func cutColon(line string) (before, after string, ok bool) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '$':
			i++
		case ':':
			return line[:i], line[i+1:], true
		}
	}
	return "", "", false
}

// fields cuts a line at blanks that no dollar sign quotes.
func fields(line string) []string {
	var words []string
	start := -1
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == ' ':
			if start >= 0 {
				words, start = append(words, line[start:i]), -1
			}
			continue
		case start < 0:
			start = i
		}
		if line[i] == '$' {
			i++
		}
	}
	if start >= 0 {
		words = append(words, line[start:])
	}
	return words
}

// expand replaces $name, ${name}, and the quoted "$ ", "$:" and "$$".
func expand(s string, get func(string) string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxExpansion; i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case s[i] == '{':
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return b.String()
			}
			b.WriteString(get(s[i+1 : i+end]))
			i += end
		case simple(s[i]):
			j := i
			for j < len(s) && simple(s[j]) {
				j++
			}
			b.WriteString(get(s[i:j]))
			i = j - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func simple(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
