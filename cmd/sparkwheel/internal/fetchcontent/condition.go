package fetchcontent

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/cmake"
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

var comparisons = map[string]func(a, b string) truth{
	"EQUAL":         func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x == 0 }) },
	"LESS":          func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x < 0 }) },
	"GREATER":       func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x > 0 }) },
	"LESS_EQUAL":    func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x <= 0 }) },
	"GREATER_EQUAL": func(a, b string) truth { return compareNumbers(a, b, func(x int) bool { return x >= 0 }) },

	"STREQUAL":         func(a, b string) truth { return truthOf(a == b) },
	"STRLESS":          func(a, b string) truth { return truthOf(a < b) },
	"STRGREATER":       func(a, b string) truth { return truthOf(a > b) },
	"STRLESS_EQUAL":    func(a, b string) truth { return truthOf(a <= b) },
	"STRGREATER_EQUAL": func(a, b string) truth { return truthOf(a >= b) },

	"VERSION_EQUAL":         func(a, b string) truth { return truthOf(compareVersions(a, b) == 0) },
	"VERSION_LESS":          func(a, b string) truth { return truthOf(compareVersions(a, b) < 0) },
	"VERSION_GREATER":       func(a, b string) truth { return truthOf(compareVersions(a, b) > 0) },
	"VERSION_LESS_EQUAL":    func(a, b string) truth { return truthOf(compareVersions(a, b) <= 0) },
	"VERSION_GREATER_EQUAL": func(a, b string) truth { return truthOf(compareVersions(a, b) >= 0) },

	"MATCHES":       matches,
	"PATH_EQUAL":    func(a, b string) truth { return truthOf(path.Clean(a) == path.Clean(b)) },
	"IS_NEWER_THAN": func(string, string) truth { return undecided },
}

func (c *condition) comparison() truth {
	if len(c.words) >= 2 && c.words[1].kind == cmake.Unquoted && c.words[1].doubt == nil {
		op := c.words[1].text
		if compare, ok := comparisons[op]; ok && len(c.words) >= 3 {
			a, b := c.take(), word{}
			c.take()
			b = c.take()
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

func isTrue(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE", "Y":
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f != 0 && numberRE.MatchString(s)
}

func isFalse(s string) bool {
	switch strings.ToUpper(s) {
	case "", "0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND":
		return true
	}
	f, err := strconv.ParseFloat(s, 64)
	return strings.HasSuffix(s, "-NOTFOUND") || err == nil && f == 0 && numberRE.MatchString(s)
}

var (
	numberRE = regexp.MustCompile(`^[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?$|^[+-]?[0-9]+\.$`)
	nameRE   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.+/-]*$`)
)

func isName(s string) bool { return nameRE.MatchString(s) }

// leadingRE is what of a text CMake, by way of sscanf, takes for a number.
var leadingRE = regexp.MustCompile(`^[ \t\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`)

func compareNumbers(a, b string, holds func(int) bool) truth {
	x, errX := strconv.ParseFloat(strings.TrimSpace(leadingRE.FindString(a)), 64)
	y, errY := strconv.ParseFloat(strings.TrimSpace(leadingRE.FindString(b)), 64)
	if errX != nil || errY != nil {
		return no // CMake's own answer for what is no number
	}
	return truthOf(holds(cmp.Compare(x, y)))
}

// compareVersions compares component by component as long as one of the two
// goes on with a digit; what is missing counts as 0.
func compareVersions(a, b string) int {
	for startsWithDigit(a) || startsWithDigit(b) {
		var x, y uint64
		x, a = component(a)
		y, b = component(b)
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// component reads a number as strtoul does, which CMake calls: a sign counts,
// and what is too large is the largest.
func component(s string) (uint64, string) {
	m := componentRE.FindStringSubmatch(s)
	if m == nil {
		return 0, strings.TrimPrefix(s, ".")
	}
	v, _ := strconv.ParseUint(m[2], 10, 64)
	if m[1] == "-" {
		v = -v
	}
	return v, strings.TrimPrefix(s[len(m[0]):], ".")
}

var componentRE = regexp.MustCompile(`^[ \t\n]*([+-]?)([0-9]+)`)

// matches is decided where CMake's regular expressions and Go's mean the same.
func matches(text, pattern string) truth {
	if strings.ContainsAny(pattern, `\{}`) || strings.Contains(pattern, "[[") || strings.Contains(pattern, "(?") || len(pattern) > 1000 {
		return undecided
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return undecided
	}
	return truthOf(re.MatchString(text))
}
