package fetchcontent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// node is a command, or a block with what stands in it: the branches of an
// if(), or the body of a loop or definition.
type node struct {
	cmake.Command
	name     string // in lower case
	branches []branch
}

type branch struct {
	head cmake.Command
	body []node
}

var blockEnds = map[string]string{
	"if": "endif", "foreach": "endforeach", "while": "endwhile", "function": "endfunction", "macro": "endmacro", "block": "endblock",
}

// nest makes blocks of a file's commands.
func nest(file string, commands []cmake.Command) ([]node, error) {
	n := nester{file: file, commands: commands}
	return n.until("", 0)
}

type nester struct {
	file     string
	commands []cmake.Command
	at       int
}

func (n *nester) until(end string, depth int) ([]node, error) {
	if depth > maxDepth {
		return nil, &cmake.SyntaxError{File: n.file, Line: n.commands[n.at-1].Line, Message: "blocks are nested too deeply"}
	}
	var all []node
	for n.at < len(n.commands) {
		c := n.commands[n.at]
		name := strings.ToLower(c.Name)
		switch {
		case name == end, end == "endif" && (name == "else" || name == "elseif"):
			return all, nil
		case strings.HasPrefix(name, "end") && isBlockEnd(name), name == "else", name == "elseif":
			return nil, &cmake.SyntaxError{File: n.file, Line: c.Line, Message: name + "() without its beginning"}
		}
		n.at++
		one := node{Command: c, name: name}
		if blockEnds[name] != "" {
			var err error
			if one.branches, err = n.block(c, blockEnds[name], depth); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
	}
	if end != "" {
		return nil, &cmake.SyntaxError{File: n.file, Line: n.commands[len(n.commands)-1].Line, Message: "no " + end + "() ends a block"}
	}
	return all, nil
}

func isBlockEnd(name string) bool {
	for _, end := range blockEnds {
		if name == end {
			return true
		}
	}
	return false
}

func (n *nester) block(head cmake.Command, end string, depth int) ([]branch, error) {
	var branches []branch
	for {
		body, err := n.until(end, depth+1)
		if err != nil {
			return nil, err
		}
		branches = append(branches, branch{head, body})
		head = n.commands[n.at]
		n.at++
		if strings.EqualFold(head.Name, end) {
			return branches, nil
		}
	}
}

// flow is how commands ended.
type flow int

const (
	onward flow = iota
	skipped
	broken
	returned
	failed // by message(FATAL_ERROR)
)

func (r *reader) run(nodes []node) (flow, error) {
	for _, n := range nodes {
		if r.steps++; r.steps > maxSteps {
			return failed, fmt.Errorf("%s: more than %d commands to evaluate", r.at, maxSteps)
		}
		r.at.Line = n.Line
		f, err := r.node(n)
		if err != nil || f != onward {
			return f, err
		}
	}
	return onward, nil
}

func (r *reader) node(n node) (flow, error) {
	switch n.name {
	case "if":
		return r.branch(n)
	case "foreach":
		return r.foreach(n)
	case "while":
		return r.while(n)
	case "function", "macro":
		return onward, r.define(n)
	case "block":
		return r.inScope(newScope(r.scope), func() (flow, error) { return r.run(n.branches[0].body) })
	}
	return r.command(n)
}

// side is one way on from a condition that is not decided.
type side struct {
	body []node
	when []Condition
}

// branch runs the side of an if() that is taken; where that is not decided,
// every side that may be, each from the same state.
func (r *reader) branch(n node) (flow, error) {
	at := r.at
	var sides []side
	var open []Condition
	exhausted := false
	for _, b := range n.branches {
		r.at.Line = b.head.Line
		t, lacks := yes, []string(nil)
		if !strings.EqualFold(b.head.Name, "else") {
			var err error
			if t, lacks, err = r.condition(b.head.Args); err != nil {
				return failed, err
			}
		}
		if t == no {
			r.passOver(b.body)
			continue
		}
		if t == yes && len(sides) == 0 {
			return r.run(b.body)
		}
		if t == undecided {
			open = append(open, Condition{r.at, source(b.head), lacks})
		}
		sides = append(sides, side{b.body, slices.Clone(open)})
		if t == yes {
			exhausted = true
			break
		}
	}
	if len(sides) == 0 {
		return onward, nil
	}
	if !exhausted {
		sides = append(sides, side{nil, open})
	}
	return r.sides(sides, at)
}

// sides runs each side and keeps of what they set only what all agree on. A
// side that fails or returns has no part in what follows.
func (r *reader) sides(sides []side, at Place) (flow, error) {
	var made []map[slot]value
	end := failed
	for _, s := range sides {
		mark, when := len(r.journal), r.when
		r.when = append(slices.Clip(when), s.when...)
		f, err := r.run(s.body)
		r.when = when
		if err != nil {
			return failed, err
		}
		writes := r.undo(mark)
		if f < returned {
			made = append(made, writes)
			end = onward
		}
		if f == returned {
			end = min(end, returned)
			r.returning = append(r.returning, s.when...)
		}
	}
	r.merge(made, at)
	r.at = at
	return end, nil
}

// passOver notes what a side that is not taken would have set from the
// environment: such a variable has no other source, so that it is unset.
func (r *reader) passOver(body []node) {
	for _, n := range body {
		if n.name != "set" || len(n.Args) != 2 || !strings.Contains(n.Args[1].Text, "$ENV{") || n.Args[0].Kind != cmake.Unquoted {
			continue
		}
		name := n.Args[0].Text
		if v := r.lookup("", name); v.doubt != nil && isName(name) {
			if _, ok := r.scope.find(name); !ok {
				r.write(r.scope, name, value{unset: true})
			}
		}
	}
}

// foreach runs its body for every item; once, with an item that is not known,
// where the items are not.
func (r *reader) foreach(n node) (flow, error) {
	args, err := r.words(n.Args)
	if err != nil || len(args) == 0 {
		return onward, err
	}
	items, d := r.items(args[1:])
	body := n.branches[0].body
	if d != nil {
		r.write(r.scope, args[0].text, value{doubt: d})
		here := Condition{r.at, source(n.Command), []string{d.variable}}
		return r.sides([]side{{body, []Condition{here}}, {nil, nil}}, r.at)
	}
	before, had := r.scope.values[args[0].text]
	end := onward
	for _, item := range items {
		r.write(r.scope, args[0].text, known(item))
		f, err := r.run(body)
		if err != nil {
			return f, err
		}
		if f == broken {
			break
		}
		if f == returned || f == failed {
			end = f
			break
		}
	}
	if had {
		r.write(r.scope, args[0].text, before)
	} else {
		r.write(r.scope, args[0].text, value{unset: true})
	}
	return end, nil
}

// while runs its body as long as its condition is known to hold; once, where
// that is not decided.
func (r *reader) while(n node) (flow, error) {
	at := r.at
	for {
		r.at = at
		t, lacks, err := r.condition(n.Args)
		if err != nil {
			return failed, err
		}
		switch t {
		case no:
			return onward, nil
		case undecided:
			here := Condition{at, source(n.Command), lacks}
			return r.sides([]side{{n.branches[0].body, []Condition{here}}, {nil, nil}}, at)
		}
		f, err := r.run(n.branches[0].body)
		if err != nil || f == returned || f == failed {
			return f, err
		}
		if f == broken {
			return onward, nil
		}
		if r.steps++; r.steps > maxSteps {
			return failed, fmt.Errorf("%s: more than %d commands to evaluate", at, maxSteps)
		}
	}
}

// inScope runs do with a scope of its own.
func (r *reader) inScope(s *scope, do func() (flow, error)) (flow, error) {
	outer := r.scope
	r.scope = s
	defer func() { r.scope = outer }()
	return do()
}

// source is a command as its file has it, on one line, for messages.
func source(c cmake.Command) string {
	var parts []string
	for _, a := range c.Args {
		text := a.Text
		if a.Kind == cmake.Quoted {
			text = `"` + text + `"`
		}
		parts = append(parts, text)
	}
	text := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if len(text) > 100 {
		text = text[:100] + "..."
	}
	return strings.ToLower(c.Name) + "(" + text + ")"
}
