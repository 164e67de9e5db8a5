package fetchcontent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// word is an argument after evaluation.
type word struct {
	text  string
	kind  cmake.Kind
	doubt *doubt
	// written is the argument's own text, for messages.
	written string
}

func (w word) is(text string) bool { return w.doubt == nil && w.text == text }

// words evaluates arguments: an unquoted one may become several, or none.
func (r *reader) words(args []cmake.Arg) ([]word, error) {
	var out []word
	for _, a := range args {
		a = r.macroText(a)
		var d *doubt
		text, err := cmake.Expand(a, func(ref cmake.Reference) string {
			v := r.lookup(ref.Kind, ref.Name)
			if v.doubt != nil && d == nil {
				d = v.doubt
			}
			return v.text
		})
		if err != nil {
			if syntax, ok := errors.AsType[*cmake.SyntaxError](err); ok {
				err = &cmake.SyntaxError{File: r.at.File, Line: a.Line, Message: syntax.Message}
			}
			return nil, err
		}
		if r.volume += len(text); r.volume > maxVolume {
			return nil, fmt.Errorf("%s: the values of variables that are read grow beyond %d MiB", r.at, maxVolume>>20)
		}
		switch {
		case d != nil:
			out = append(out, word{kind: a.Kind, doubt: d, written: a.Text})
		case a.Kind == cmake.Unquoted:
			for _, one := range cmake.Split(text) {
				out = append(out, word{text: one, kind: a.Kind, written: a.Text})
			}
		default:
			out = append(out, word{text: text, kind: a.Kind, written: a.Text})
		}
	}
	return out, nil
}

// macroText puts the arguments of the macro that runs into its text, as CMake
// does before anything is evaluated.
func (r *reader) macroText(a cmake.Arg) cmake.Arg {
	if r.macro == nil || a.Kind == cmake.Bracket || !strings.Contains(a.Text, "${") {
		return a
	}
	a.Text = r.macro.Replace(a.Text)
	return a
}

// binding are the names by which a function or macro sees its arguments.
func binding(params []string, args []word) map[string]value {
	all := map[string]value{"ARGC": known(strconv.Itoa(len(args)))}
	var unsure *doubt
	for i, a := range args {
		v := known(a.text)
		if unsure == nil {
			unsure = a.doubt
		}
		// Behind an argument that is not known it is not known which is which.
		if unsure != nil {
			v = value{doubt: unsure}
		}
		all["ARGV"+strconv.Itoa(i)] = v
		if i < len(params) {
			all[params[i]] = v
		}
	}
	all["ARGV"] = joined(args)
	all["ARGN"] = known("")
	if len(args) > len(params) {
		all["ARGN"] = joined(args[len(params):])
	}
	if unsure != nil {
		all["ARGC"], all["ARGN"] = value{doubt: unsure}, value{doubt: unsure}
	}
	return all
}

// joined is a list of words as the value of a variable.
func joined(words []word) value {
	var texts []string
	for _, w := range words {
		if w.doubt != nil {
			return value{doubt: w.doubt}
		}
		texts = append(texts, w.text)
	}
	return known(strings.Join(texts, ";"))
}

// unknownArgument is a variable that nothing sets: what an argument of a macro
// becomes when its value is not known.
const unknownArgument = "unknown-argument-of-a-macro"

func macroReplacer(params []string, args []word) *strings.Replacer {
	var pairs []string
	bound := binding(params, args)
	for _, name := range slices.Sorted(maps.Keys(bound)) {
		text := bound[name].text
		if bound[name].doubt != nil {
			text = "${" + unknownArgument + "}"
		}
		pairs = append(pairs, "${"+name+"}", text)
	}
	return strings.NewReplacer(pairs...)
}
