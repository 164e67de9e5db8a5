package fetchcontent

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// truth is the value of a condition: yes, no, or not decided by what is known.
type truth int

const (
	no truth = iota
	undecided
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition evaluates the words of an if(), elseif() or while() and collects
// the variables that it lacks.
type condition struct {
	r     *reader
	words []word
	lacks []string
	depth int
}

func (r *reader) condition(args []cmake.Arg) (truth, []string, error) {
	words, err := r.words(args)
	if err != nil {
		return no, nil, err
	}
	c := &condition{r: r, words: words}
	t := c.logic()
	if len(c.words) > 0 {
		// A form that is not known here decides nothing.
		t = undecided
	}
	return t, c.lacks, nil
}

func (c *condition) next(text string) bool {
	return len(c.words) > 0 && c.words[0].kind == cmake.Unquoted && c.words[0].is(text)
}

func (c *condition) take() word {
	if len(c.words) == 0 {
		return word{doubt: &doubt{}}
	}
	w := c.words[0]
	c.words = c.words[1:]
	return w
}

// logic has CMake's order: parentheses, tests, comparisons, NOT, and then AND
// and OR alike. CMake joins these two by two from the left until one is left:
// a OR b OR c AND d is (a OR b) OR (c AND d).
func (c *condition) logic() truth {
	values := []truth{c.not()}
	var ors []bool
	for c.next("AND") || c.next("OR") {
		ors = append(ors, c.take().text == "OR")
		values = append(values, c.not())
	}
	for len(values) > 1 {
		var joined []truth
		var left []bool
		for i := 0; i < len(values); i += 2 {
			switch {
			case i+1 == len(values):
				joined = append(joined, values[i])
			case ors[i]:
				joined = append(joined, max(values[i], values[i+1]))
			default:
				joined = append(joined, min(values[i], values[i+1]))
			}
			if i+1 < len(ors) {
				left = append(left, ors[i+1])
			}
		}
		values, ors = joined, left
	}
	return values[0]
}

func (c *condition) not() truth {
	if c.next("NOT") && c.depth < maxDepth {
		c.take()
		c.depth++
		defer func() { c.depth-- }()
		return yes - c.not()
	}
	return c.comparison()
}

func (c *condition) comparison() truth {
	if len(c.words) >= 2 && c.words[1].kind == cmake.Unquoted && c.words[1].doubt == nil {
		op := c.words[1].text
		if compare, ok := comparisons[op]; ok && len(c.words) >= 3 {
			a := c.take()
			c.take()
			b := c.take()
			left, okLeft := c.operand(a, true)
			right, okRight := c.operand(b, op == "MATCHES" || c.quoted(b))
			if op == "MATCHES" {
				right, okRight = b.text, c.sure(b)
			}
			if !okLeft || !okRight {
				return undecided
			}
			return compare(left, right)
		}
		if op == "IN_LIST" && len(c.words) >= 3 {
			return c.inList()
		}
	}
	return c.test()
}

func (c *condition) quoted(w word) bool { return w.kind != cmake.Unquoted }

// sure notes what a word lacks.
func (c *condition) sure(w word) bool {
	if w.doubt != nil {
		c.lack(w.doubt.variable)
		return false
	}
	return true
}

func (c *condition) lack(variable string) {
	if variable != "" && !slices.Contains(c.lacks, variable) {
		c.lacks = append(c.lacks, variable)
	}
}

// operand is one side of a comparison: the value of the variable that a bare
// word names, else the word. A bare word on the left that nothing sets may be a
// variable of a package; on the right it is taken for a text.
func (c *condition) operand(w word, left bool) (string, bool) {
	if !c.sure(w) {
		return "", false
	}
	if w.kind != cmake.Unquoted {
		return w.text, true
	}
	v, found := c.r.variable(w.text)
	switch {
	case found && v.doubt != nil:
		c.lack(v.doubt.variable)
		return "", false
	case found && !v.unset:
		return v.text, true
	case !found && left && w.written == w.text && isName(w.text):
		c.lack(w.text)
		return "", false
	}
	return w.text, true
}

// variable is a variable that was set, pinned or unset.
func (r *reader) variable(name string) (value, bool) {
	v := r.lookup("", name)
	if v.doubt == nil {
		return v, true
	}
	if _, ok := r.scope.find(name); ok {
		return v, true
	}
	_, ok := r.cache.values[name]
	return v, ok
}

func (c *condition) inList() truth {
	item := c.take()
	c.take()
	name := c.take()
	text, ok := c.operand(item, true)
	if !ok || !c.sure(name) {
		return undecided
	}
	list, found := c.r.variable(name.text)
	if !found || list.doubt != nil {
		c.lack(name.text)
		return undecided
	}
	// To CMake, a variable that is empty has one element here, and one that is not
	// set has none.
	if list.text == "" {
		return truthOf(text == "" && !list.unset)
	}
	return truthOf(slices.Contains(cmake.Elements(list.text), text))
}

// test is a parenthesis, a test such as DEFINED, or a plain value.
func (c *condition) test() truth {
	w := c.take()
	if w.kind == cmake.Open {
		if c.depth++; c.depth > maxDepth {
			c.words = nil
			return undecided
		}
		t := c.logic()
		c.depth--
		if len(c.words) == 0 || c.words[0].kind != cmake.Close {
			c.words = nil
			return undecided
		}
		c.take()
		return t
	}
	if w.kind == cmake.Unquoted && w.doubt == nil && len(c.words) > 0 {
		switch w.text {
		case "DEFINED":
			return c.defined(c.take())
		case "EXISTS", "IS_DIRECTORY":
			return c.exists(c.take(), w.text == "IS_DIRECTORY")
		case "IS_ABSOLUTE":
			if text, ok := c.operand(c.take(), true); ok {
				return truthOf(path.IsAbs(text))
			}
			return undecided
		case "COMMAND":
			name := c.take()
			_, ok := c.r.calls[strings.ToLower(name.text)]
			if ok || knownCommands[strings.ToLower(name.text)] {
				return yes
			}
			return undecided
		case "POLICY":
			c.take()
			return yes
		case "TARGET", "TEST", "IS_SYMLINK", "IS_READABLE", "IS_WRITABLE", "IS_EXECUTABLE":
			c.take()
			return undecided
		}
	}
	return c.plain(w)
}

func (c *condition) defined(w word) truth {
	if !c.sure(w) {
		return undecided
	}
	kind, name := "", w.text
	for _, k := range []string{"ENV", "CACHE"} {
		if inner, ok := strings.CutPrefix(w.text, k+"{"); ok {
			kind, name = k, strings.TrimSuffix(inner, "}")
		}
	}
	v := c.r.lookup(kind, name)
	if v.doubt == nil {
		return truthOf(!v.unset)
	}
	c.lack(v.doubt.variable)
	return undecided
}

// exists answers for paths inside the tree: nothing else is known.
func (c *condition) exists(w word, dir bool) truth {
	if !c.sure(w) {
		return undecided
	}
	rel, ok := c.r.inTree(w.text)
	if !ok {
		return undecided
	}
	info, err := fs.Stat(c.r.tree, rel)
	return truthOf(err == nil && (!dir || info.IsDir()))
}

// plain is the truth of a word alone: a constant, or the variable it names.
func (c *condition) plain(w word) truth {
	if !c.sure(w) {
		return undecided
	}
	switch {
	case isTrue(w.text):
		return yes
	case isFalse(w.text):
		return no
	case w.kind != cmake.Unquoted:
		return no // CMP0054: what is quoted is no variable
	}
	v := c.r.lookup("", w.text)
	if v.doubt != nil {
		c.lack(v.doubt.variable)
		return undecided
	}
	return truthOf(!v.unset && !isFalse(v.text))
}
