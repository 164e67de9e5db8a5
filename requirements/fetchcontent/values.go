package fetchcontent

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// list follows the forms of list() that build up values; of the others, the
// variables become unknown.
func (r *reader) list(args []word) {
	if len(args) < 2 || args[0].doubt != nil || args[1].doubt != nil {
		r.forget(args)
		return
	}
	name, rest := args[1].text, args[2:]
	v := r.lookup("", name)
	if _, ok := r.variable(name); !ok && !strings.Contains(args[0].text, "PEND") {
		r.forget(args)
		return
	}
	old := cmake.Elements(v.text)
	switch args[0].text {
	case "APPEND", "PREPEND":
		if len(rest) == 0 {
			return
		}
		more := joined(rest)
		switch _, found := r.variable(name); {
		case more.doubt != nil:
			v = more
		case !found:
			// What nothing sets has most often no value: modules append to
			// variables that the user may give.
			v = doubtful(name, "no file that was read sets it")
		case v.doubt != nil:
		case v.unset || v.text == "":
			v = more
		case args[0].text == "APPEND":
			v = known(v.text + ";" + more.text)
		default:
			v = known(more.text + ";" + v.text)
		}
		r.write(r.scope, name, v)
	case "LENGTH":
		r.result(rest, v, strconv.Itoa(len(old)))
	case "GET":
		if len(rest) == 2 && rest[0].doubt == nil {
			i, err := strconv.Atoi(rest[0].text)
			if i < 0 {
				i += len(old)
			}
			if err == nil && i >= 0 && i < len(old) {
				r.result(rest[1:], v, old[i])
				return
			}
		}
		r.forget(args)
	case "REMOVE_ITEM":
		gone := joined(rest)
		if gone.doubt != nil || v.doubt != nil {
			r.forget(args)
			return
		}
		left := slices.DeleteFunc(old, func(s string) bool { return slices.ContainsFunc(rest, func(w word) bool { return w.text == s }) })
		r.write(r.scope, name, known(strings.Join(left, ";")))
	default:
		r.forget(args)
	}
}

// result writes text, made of v, into the variable that the first word names.
func (r *reader) result(to []word, v value, text string) {
	if len(to) == 0 || to[0].doubt != nil {
		return
	}
	if v.doubt == nil {
		v = known(text)
	}
	r.write(r.scope, to[0].text, v)
}

// string follows the forms of string() that projects make names and URLs with.
func (r *reader) string(args []word) {
	if len(args) < 2 || args[0].doubt != nil {
		r.forget(args)
		return
	}
	rest := args[1:]
	switch form := args[0].text; form {
	case "TOUPPER", "TOLOWER", "STRIP":
		if len(rest) != 2 {
			return
		}
		change := map[string]func(string) string{"TOUPPER": strings.ToUpper, "TOLOWER": strings.ToLower, "STRIP": strings.TrimSpace}[form]
		r.result(rest[1:], value{doubt: rest[0].doubt}, change(rest[0].text))
	case "CONCAT", "APPEND", "PREPEND":
		var text string
		v := joined(rest[1:])
		for _, w := range rest[1:] {
			text += w.text
		}
		if form != "CONCAT" && rest[0].doubt == nil {
			old := r.lookup("", rest[0].text)
			if v.doubt == nil {
				v.doubt = old.doubt
			}
			if form == "APPEND" {
				text = old.text + text
			} else {
				text += old.text
			}
		}
		r.result(rest, v, text)
	case "JOIN":
		if len(rest) < 2 {
			return
		}
		var texts []string
		for _, w := range rest[2:] {
			texts = append(texts, w.text)
		}
		r.result(rest[1:], joined(append(slices.Clone(rest[2:]), rest[0])), strings.Join(texts, rest[0].text))
	case "REPLACE":
		if len(rest) < 4 {
			return
		}
		v := joined(append(slices.Clone(rest[:2]), rest[3:]...))
		var text string
		for _, w := range rest[3:] {
			text += w.text
		}
		if rest[0].text != "" {
			text = strings.ReplaceAll(text, rest[0].text, rest[1].text)
		}
		r.result(rest[2:], v, text)
	default:
		r.forget(args)
	}
}

// filename follows the forms of get_filename_component() that need no disk.
func (r *reader) filename(args []word) {
	if len(args) < 3 || args[0].doubt != nil || args[2].doubt != nil {
		r.forget(args)
		return
	}
	p := args[1].text
	switch args[2].text {
	case "DIRECTORY", "PATH":
		if dir := path.Dir(p); strings.Contains(p, "/") {
			p = dir
		} else {
			p = ""
		}
	case "NAME":
		p = path.Base(p)
	case "NAME_WE":
		p, _, _ = strings.Cut(path.Base(p), ".")
	case "ABSOLUTE":
		base := r.absolute(r.dir)
		if len(args) > 4 && args[3].is("BASE_DIR") && args[4].doubt == nil {
			base = args[4].text
		}
		if !path.IsAbs(p) {
			p = path.Join(base, p)
		}
		p = path.Clean(p)
	default:
		r.forget(args)
		return
	}
	r.result(args, value{doubt: args[1].doubt}, p)
}

// items are what a foreach() goes through, or why that is not known.
func (r *reader) items(args []word) ([]string, *doubt) {
	if d := joined(args).doubt; d != nil {
		return nil, d
	}
	var texts []string
	for _, a := range args {
		texts = append(texts, a.text)
	}
	if len(texts) > 0 && texts[0] == "RANGE" {
		return rangeItems(texts[1:])
	}
	if len(texts) == 0 || texts[0] != "IN" {
		return texts, nil
	}
	var items []string
	mode := ""
	for _, t := range texts[1:] {
		if t == "LISTS" || t == "ITEMS" || t == "ZIP_LISTS" {
			mode = t
			continue
		}
		switch mode {
		case "ITEMS":
			items = append(items, t)
		case "LISTS":
			v := r.lookup("", t)
			if v.doubt != nil {
				return nil, v.doubt
			}
			items = append(items, cmake.Elements(v.text)...)
		default:
			return nil, &doubt{t, "its items are merged with others"}
		}
	}
	return items, nil
}

func rangeItems(texts []string) ([]string, *doubt) {
	numbers := []int{0, 0, 1}
	if len(texts) == 0 || len(texts) > 3 {
		return nil, &doubt{"RANGE", "it needs one to three numbers"}
	}
	for i, t := range texts {
		n, err := strconv.Atoi(t)
		if err != nil {
			return nil, &doubt{"RANGE", t + " is not a number"}
		}
		numbers[i] = n
	}
	if len(texts) == 1 {
		numbers[0], numbers[1] = 0, numbers[0]
	}
	from, to, step := numbers[0], numbers[1], max(numbers[2], 1)
	if to < from || (to-from)/step > maxSteps {
		return nil, &doubt{"RANGE", "its range is empty or too large"}
	}
	var items []string
	for i := from; i <= to; i += step {
		items = append(items, strconv.Itoa(i))
	}
	return items, nil
}
