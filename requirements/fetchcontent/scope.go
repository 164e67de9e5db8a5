package fetchcontent

import "strings"

// value is what is known of a variable.
type value struct {
	text  string
	unset bool   // it is known to have no value
	doubt *doubt // the text is not known
}

// doubt is why a value is not known.
type doubt struct{ variable, reason string }

func known(text string) value { return value{text: text} }

func doubtful(variable, reason string) value { return value{doubt: &doubt{variable, reason}} }

func (v value) same(w value) bool {
	return v.doubt == nil && w.doubt == nil && v.unset == w.unset && v.text == w.text
}

// scope holds the variables of a directory or a call; the cache and the
// environment are scopes without a parent.
type scope struct {
	values map[string]value
	parent *scope
}

func newScope(parent *scope) *scope { return &scope{map[string]value{}, parent} }

func (s *scope) find(name string) (value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.values[name]; ok {
			return v, true
		}
	}
	return value{}, false
}

// slot is a variable in its scope.
type slot struct {
	scope *scope
	name  string
}

// write is one entry of the journal by which a branch is undone.
type write struct {
	slot
	old value
	had bool
}

func (r *reader) write(s *scope, name string, v value) {
	old, had := s.values[name]
	r.journal = append(r.journal, write{slot{s, name}, old, had})
	s.values[name] = v
}

// undo takes back what was written since mark, and returns what it was.
func (r *reader) undo(mark int) map[slot]value {
	made := map[slot]value{}
	for i := len(r.journal) - 1; i >= mark; i-- {
		w := r.journal[i]
		if _, ok := made[w.slot]; !ok {
			made[w.slot] = w.scope.values[w.name]
		}
		if w.had {
			w.scope.values[w.name] = w.old
		} else {
			delete(w.scope.values, w.name)
		}
	}
	r.journal = r.journal[:mark]
	return made
}

// merge writes what the sides of an undecided branch made of variables: what
// all agree on, else a doubt.
func (r *reader) merge(sides []map[slot]value, at Place) {
	seen := map[slot]bool{}
	for _, side := range sides {
		for s := range side {
			if seen[s] {
				continue
			}
			seen[s] = true
			r.write(s.scope, s.name, agreed(s, sides, at))
		}
	}
}

func agreed(s slot, sides []map[slot]value, at Place) value {
	var first value
	for i, side := range sides {
		v, ok := side[s]
		if !ok {
			v, ok = s.scope.values[s.name]
		}
		if i == 0 {
			first = v
		}
		switch {
		case ok && v.doubt != nil:
			return v
		case !ok || !v.same(first):
			return doubtful(s.name, "it depends on the if() at "+at.String())
		}
	}
	return first
}

// lookup is the value of a reference. What no file read so far has set is not
// known: CMake, its modules and the packages that it finds set variables too.
func (r *reader) lookup(kind, name string) value {
	v := r.see(kind, name)
	r.volume += len(v.text)
	return v
}

func (r *reader) see(kind, name string) value {
	switch kind {
	case "ENV":
		if v, ok := r.env.values[name]; ok {
			return v
		}
		if builderSets(name) {
			return doubtful("ENV{"+name+"}", "the builder sets it")
		}
		return value{unset: true}
	case "CACHE":
		if v, ok := r.cache.values[name]; ok {
			return v
		}
		return doubtful(name, "nothing sets it")
	}
	if v, ok := r.settled[name]; ok {
		return known(v)
	}
	if v, ok := r.builtin(name); ok {
		return v
	}
	v, ok := r.scope.find(name)
	if ok && !v.unset {
		return v
	}
	if c, cached := r.cache.values[name]; cached {
		return c
	}
	if ok {
		return v
	}
	return doubtful(name, "no file that was read sets it")
}

// builderSets tells which variables every build has beside the recipe's.
func builderSets(name string) bool {
	switch name {
	case "PATH", "HOME", "USER", "TMPDIR", "CFLAGS", "CXXFLAGS", "MAKEFLAGS", "MAX_JOBS", "VIRTUAL_ENV", "SOURCE_DATE_EPOCH", "CONDA_PREFIX":
		return true
	}
	return strings.HasPrefix(name, "CMAKE_") || strings.HasPrefix(name, "CCACHE_") || strings.HasPrefix(name, "FLASHINFER_")
}

// builtin are the variables that CMake itself keeps. Builds are for Linux.
func (r *reader) builtin(name string) (value, bool) {
	switch name {
	case "CMAKE_SOURCE_DIR":
		return known(r.absolute(r.opt.Dir)), true
	case "CMAKE_CURRENT_SOURCE_DIR":
		return known(r.absolute(r.dir)), true
	case "CMAKE_CURRENT_LIST_DIR":
		return known(r.absolute(dirOf(r.listFile()))), true
	case "CMAKE_CURRENT_LIST_FILE":
		return known(r.absolute(r.listFile())), true
	case "UNIX", "LINUX":
		return known("1"), true
	case "CMAKE_SYSTEM_NAME", "CMAKE_HOST_SYSTEM_NAME":
		return known("Linux"), true
	case "WIN32", "APPLE", "MSVC", "MINGW", "CYGWIN", "ANDROID", "IOS", "EMSCRIPTEN", "XCODE", "CMAKE_CROSSCOMPILING":
		return value{unset: true}, true
	}
	return value{}, false
}

// listFile is the file that is read, also while a function of another runs.
func (r *reader) listFile() string { return r.open[len(r.open)-1] }
