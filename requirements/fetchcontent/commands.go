package fetchcontent

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// knownCommands change no variable that could matter here.
var knownCommands = fields(`add_compile_definitions add_compile_options add_custom_command add_custom_target
		add_definitions add_dependencies add_executable add_library add_link_options add_test cmake_minimum_required
		cmake_policy enable_language enable_testing export include_directories include_guard install link_directories
		link_libraries mark_as_advanced message set_property set_source_files_properties set_target_properties
		set_directory_properties target_compile_definitions target_compile_features target_compile_options
		target_include_directories target_link_directories target_link_libraries target_link_options
		target_precompile_headers target_sources fetchcontent_makeavailable`)

// fields is the set of a text's words.
func fields(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// command runs one command that is no block.
func (r *reader) command(n node) (flow, error) {
	args, err := r.words(n.Args)
	if err != nil {
		return failed, err
	}
	return r.call(n.name, args)
}

func (r *reader) call(name string, args []word) (flow, error) {
	switch name {
	case "fetchcontent_declare":
		r.declare(Declared, args)
	case "fetchcontent_populate":
		if len(args) > 1 && !args[1].is("QUIET") || len(args) > 2 {
			r.declare(Populated, args)
		}
	case "externalproject_add":
		r.declare(External, args)
	default:
		// A function of the project's own goes before CMake's of that name.
		if c, ok := r.calls[name]; ok {
			return r.invoke(name, c, args)
		}
		if f := r.followed(name); f != nil {
			return f(args)
		}
		if !knownCommands[name] {
			r.forget(args)
		}
	}
	return onward, nil
}

// followed is a command whose effect is followed, nil for any other.
func (r *reader) followed(name string) func([]word) (flow, error) {
	switch name {
	case "return":
		return r.leave
	case "break":
		return ends(broken)
	case "continue":
		return ends(skipped)
	case "message":
		return r.message
	case "include":
		return r.include
	case "add_subdirectory":
		return r.subdirectory
	case "cmake_language":
		return r.language
	case "set":
		return sets(r.set)
	case "unset":
		return sets(r.unset)
	case "option":
		return sets(r.option)
	case "project":
		return sets(r.project)
	case "list":
		return sets(r.list)
	case "string":
		return sets(r.string)
	case "get_filename_component":
		return sets(r.filename)
	}
	return nil
}

// sets is a command that changes variables and no more.
func sets(f func([]word)) func([]word) (flow, error) {
	return func(args []word) (flow, error) { f(args); return onward, nil }
}

// ends is a command that ends what it stands in.
func ends(f flow) func([]word) (flow, error) {
	return func([]word) (flow, error) { return f, nil }
}

// forget makes unknown every variable that a command names whose effect is not
// known here: it may set it.
func (r *reader) forget(args []word) {
	for _, a := range args {
		if a.doubt != nil || a.kind == cmake.Bracket || !isName(a.text) {
			continue
		}
		if _, ok := r.scope.find(a.text); ok {
			r.write(r.scope, a.text, doubtful(a.text, "the command at "+r.at.String()+" may set it"))
		}
	}
}

func (r *reader) message(args []word) (flow, error) {
	if len(args) > 0 && args[0].is("FATAL_ERROR") {
		return failed, nil
	}
	return onward, nil
}

func (r *reader) leave(args []word) (flow, error) {
	// return(PROPAGATE a b) sets them one scope out.
	if len(args) > 1 && args[0].is("PROPAGATE") && r.scope.parent != nil {
		for _, a := range args[1:] {
			if v, ok := r.scope.find(a.text); ok && a.doubt == nil {
				r.write(r.scope.parent, a.text, v)
			}
		}
	}
	return returned, nil
}

func (r *reader) set(args []word) {
	if len(args) == 0 || args[0].doubt != nil {
		return
	}
	name, values := args[0].text, args[1:]
	if inner, ok := strings.CutPrefix(name, "ENV{"); ok {
		v := value{unset: true}
		if len(values) > 0 {
			v = joined(values[:1])
		}
		r.write(r.env, strings.TrimSuffix(inner, "}"), v)
		return
	}
	if i := slices.IndexFunc(values, func(w word) bool { return w.is("CACHE") && w.kind == cmake.Unquoted }); i >= 0 && len(values)-i >= 3 {
		force := values[len(values)-1].is("FORCE")
		r.setCache(name, joined(values[:i]), force)
		return
	}
	to := r.scope
	if n := len(values); n > 0 && values[n-1].is("PARENT_SCOPE") && values[n-1].kind == cmake.Unquoted {
		values = values[:n-1]
		if to = r.scope.parent; to == nil {
			return
		}
	}
	if len(values) == 0 {
		r.write(to, name, value{unset: true})
		return
	}
	r.write(to, name, joined(values))
}

// setCache keeps a cache entry that is there, unless it is forced. A variable of
// the scope goes before the cache.
func (r *reader) setCache(name string, v value, force bool) {
	if _, ok := r.cache.values[name]; ok && !force {
		return
	}
	r.write(r.cache, name, v)
	if s, ok := r.scope.find(name); ok && (force || s.unset) {
		r.write(r.scope, name, v)
	}
}

func (r *reader) unset(args []word) {
	if len(args) == 0 || args[0].doubt != nil {
		return
	}
	name := args[0].text
	switch inner, isEnv := strings.CutPrefix(name, "ENV{"); {
	case isEnv:
		r.write(r.env, strings.TrimSuffix(inner, "}"), value{unset: true})
	case len(args) > 1 && args[1].is("CACHE"):
		r.write(r.cache, name, value{unset: true})
	case len(args) > 1 && args[1].is("PARENT_SCOPE"):
		if r.scope.parent != nil {
			r.write(r.scope.parent, name, value{unset: true})
		}
	default:
		r.write(r.scope, name, value{unset: true})
	}
}

func (r *reader) option(args []word) {
	if len(args) < 2 || args[0].doubt != nil {
		return
	}
	// CMP0077: a variable that is set already stays.
	if v, ok := r.scope.find(args[0].text); ok && !v.unset {
		return
	}
	v := known("OFF")
	if len(args) > 2 {
		v = joined(args[2:3])
	}
	r.setCache(args[0].text, v, false)
}

func (r *reader) project(args []word) {
	if len(args) == 0 {
		return
	}
	here := known(r.absolute(r.dir))
	name := joined(args[:1])
	r.write(r.scope, "PROJECT_NAME", name)
	r.write(r.scope, "PROJECT_SOURCE_DIR", here)
	if args[0].doubt == nil {
		r.write(r.scope, name.text+"_SOURCE_DIR", here)
	}
	if r.dir == r.opt.Dir {
		r.write(r.scope, "CMAKE_PROJECT_NAME", name)
	}
	for i, a := range args[1:] {
		if a.is("VERSION") && i+2 < len(args) {
			r.write(r.scope, "PROJECT_VERSION", joined(args[i+2:i+3]))
		}
	}
}

// include reads a file of the tree. CMake's own modules set nothing that is
// followed here.
func (r *reader) include(args []word) (flow, error) {
	if len(args) == 0 {
		return onward, nil
	}
	if d := args[0].doubt; d != nil {
		r.note("include(%s) is skipped: %s is unknown", args[0].written, d.variable)
		return onward, nil
	}
	name := args[0].text
	optional := slices.ContainsFunc(args[1:], func(w word) bool { return w.is("OPTIONAL") })
	rel, ok := r.inTree(name)
	if ok && r.isFile(rel) {
		return r.file(rel)
	}
	if !strings.Contains(name, "/") && !strings.HasSuffix(name, ".cmake") {
		if rel, ok := r.module(name + ".cmake"); ok {
			return r.file(rel)
		}
		return onward, nil
	}
	switch {
	case !ok:
		r.note("include(%s) is outside the source and skipped", name)
	case !optional:
		r.note("include(%s): the file does not exist", name)
	}
	return onward, nil
}

// module looks for a module of the project's own.
func (r *reader) module(name string) (string, bool) {
	dirs := r.lookup("", "CMAKE_MODULE_PATH")
	for _, dir := range cmake.Split(dirs.text) {
		if rel, ok := r.inTree(path.Join(dir, name)); ok && r.isFile(rel) {
			return rel, true
		}
	}
	return "", false
}

func (r *reader) isFile(rel string) bool {
	info, err := fs.Stat(r.tree, rel)
	return err == nil && info.Mode().IsRegular()
}

func (r *reader) subdirectory(args []word) (flow, error) {
	if len(args) == 0 {
		return onward, nil
	}
	if d := args[0].doubt; d != nil {
		r.note("add_subdirectory(%s) is skipped: %s is unknown", args[0].written, d.variable)
		return onward, nil
	}
	dir, ok := r.inTree(args[0].text)
	if !ok {
		r.note("add_subdirectory(%s) is outside the source and skipped", args[0].text)
		return onward, nil
	}
	if dir == "." {
		dir = ""
	}
	list := path.Join(dir, "CMakeLists.txt")
	if !r.isFile(list) {
		r.note("add_subdirectory(%s): %s does not exist", args[0].text, list)
		return onward, nil
	}
	outer := r.dir
	r.dir = dir
	defer func() { r.dir = outer }()
	return r.inScope(newScope(r.scope), func() (flow, error) { return r.file(list) })
}
