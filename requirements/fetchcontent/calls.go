package fetchcontent

import (
	"maps"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// language is cmake_language(CALL name args) and (EVAL CODE text).
func (r *reader) language(args []word) (flow, error) {
	if len(args) < 2 {
		return onward, nil
	}
	for _, a := range args[:2] {
		if a.doubt != nil {
			r.note("cmake_language is skipped: %s is unknown", a.doubt.variable)
			return onward, nil
		}
	}
	if args[0].is("CALL") {
		return r.call(strings.ToLower(args[1].text), args[2:])
	}
	if !args[0].is("EVAL") || joined(args[2:]).doubt != nil {
		return onward, nil
	}
	var text strings.Builder
	for _, a := range args[2:] {
		text.WriteString(a.text)
	}
	commands, err := cmake.Parse(r.at.File, []byte(text.String()))
	if err != nil {
		return failed, err
	}
	nodes, err := nest(r.at.File, commands)
	if err != nil {
		return failed, err
	}
	return r.deeper("cmake_language", func() (flow, error) { return r.run(nodes) })
}

// define keeps a function or macro for its calls.
func (r *reader) define(n node) error {
	args, err := r.words(n.Args)
	if err != nil || len(args) == 0 || args[0].doubt != nil {
		return err
	}
	c := callee{file: r.at.File, body: n.branches[0].body, macro: n.name == "macro"}
	for _, a := range args[1:] {
		c.params = append(c.params, a.text)
	}
	r.calls[strings.ToLower(args[0].text)] = c
	return nil
}

// invoke runs a function in a scope of its own, or a macro in the caller's. A
// macro's return() is its caller's.
func (r *reader) invoke(name string, c callee, args []word) (flow, error) {
	at, macro, returning := r.at, r.macro, r.returning
	defer func() { r.at, r.macro, r.returning = at, macro, returning }()
	r.at.File = c.file
	if c.macro {
		r.macro = macroReplacer(c.params, args)
		return r.deeper(name, func() (flow, error) { return r.run(c.body) })
	}
	r.macro = nil
	s := newScope(r.scope)
	s.values["CMAKE_CURRENT_FUNCTION_LIST_FILE"] = known(r.absolute(c.file))
	s.values["CMAKE_CURRENT_FUNCTION_LIST_DIR"] = known(r.absolute(dirOf(c.file)))
	maps.Copy(s.values, binding(c.params, args))
	f, err := r.deeper(name, func() (flow, error) {
		return r.inScope(s, func() (flow, error) { return r.run(c.body) })
	})
	if f != failed {
		f = onward
	}
	return f, err
}

// deeper bounds how calls nest.
func (r *reader) deeper(name string, do func() (flow, error)) (flow, error) {
	if r.depth >= maxDepth {
		r.note("calls of %s are nested more than %d deep and skipped", strconv.Quote(name), maxDepth)
		return onward, nil
	}
	r.depth++
	defer func() { r.depth-- }()
	return do()
}
