package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// FetchContent says how the repositories that a wheel's CMake files fetch are
// found, and what the files do not tell.
type FetchContent struct {
	LeaveOut  []string          // names of content that the build does without
	Variables map[string]string // CMake variables whose values decide, whatever the files set
	// Arguments is the environment variable that carries CMake arguments to the
	// build: CMAKE_ARGS, which most backends read.
	Arguments string
	// Repositories are by content: what is taken instead, or beside what the
	// files say.
	Repositories map[string]ContentRepository
	fault        error
}

// ContentRepository overrides what the CMake files say of one content; what is
// left open stays theirs. Content that they do not name needs URL and Ref.
type ContentRepository struct {
	URL        string
	Ref        string
	Submodules []string // nil leaves it open
	// Patches are applied to its tree; nil leaves it open. Their versions are those
	// of the wheel's source. What they do is in the tree's own key.
	Patches []Patch `json:"-"`
	// Environment is the variable by which the project is told the directory,
	// instead of by FETCHCONTENT_SOURCE_DIR_<NAME>.
	Environment string
}

// LockedContent is a repository that a wheel's CMake files fetch, at a commit.
type LockedContent struct {
	Name   string    `toml:"name"`
	From   string    `toml:"from" comment:"the line that asks for it"`
	URL    string    `toml:"url"`
	Ref    string    `toml:"ref"`
	Commit string    `toml:"commit"`
	Time   time.Time `toml:"time"`
	Tree   string    `toml:"tree"`
	// Argument is the CMake variable that tells the build where it stands, or
	// Environment the environment's.
	Argument    string            `toml:"argument,omitempty"`
	Environment string            `toml:"environment,omitempty"`
	Checkout    []string          `toml:"checkout,omitempty" comment:"submodules that are written"`
	Submodules  []LockedSubmodule `toml:"submodule,omitempty"`
}

// fetchTable is the key fetchcontent of a wheel that is a table.
type fetchTable struct {
	LeaveOut   []string                   `toml:"leave-out" merge:"append"`
	Variables  map[string]string          `toml:"variables"`
	Arguments  string                     `toml:"arguments"`
	Repository map[string]repositoryShape `toml:"repository"`
}

type repositoryShape struct {
	URL         string       `toml:"url"`
	Ref         string       `toml:"ref"`
	Submodules  []string     `toml:"submodules" merge:"append"`
	Patches     []string     `toml:"patches"`
	Patch       []patchShape `toml:"patch"`
	Environment string       `toml:"environment"`
}

// switched is the key fetchcontent where it is no table.
var switched = regexp.MustCompile(`(?m)^([ \t]*fetchcontent[ \t]*=[ \t]*)(true|false)`)

// readFetchTables reads the key fetchcontent of all wheels of a recipe, which
// wheels have decoded to true, false or a table, once more as what a table is.
// A type for either is not to be had without losing where in the file a mistake
// is, so that here true and false give way to a table of their length.
func readFetchTables(label string, text []byte, wheels []wheelShape) error {
	for _, w := range wheels {
		switch w.FetchContent.(type) {
		case nil, bool, map[string]any:
		default:
			return nil // check tells
		}
	}
	text = switched.ReplaceAllFunc(text, func(line []byte) []byte {
		m := switched.FindSubmatch(line)
		return fmt.Appendf(nil, "%s%-*s", m[1], len(m[2]), "{}")
	})
	var s struct {
		Wheel []struct {
			wheelKeys
			FetchContent fetchTable `toml:"fetchcontent"`
		} `toml:"wheel"`
	}
	if err := decode(label, text, &s, "wheel"); err != nil {
		return err
	}
	for i := range wheels {
		wheels[i].FetchTable = s.Wheel[i].FetchContent
	}
	return nil
}

// fetchContent is the key fetchcontent: true, or a table.
func (x *wheelShape) fetchContent() *FetchContent {
	switch raw := x.FetchContent.(type) {
	case nil:
		return nil
	case bool:
		if !raw {
			return nil
		}
	case map[string]any:
	default:
		return &FetchContent{fault: errors.New("it is neither true nor a table"), Arguments: "CMAKE_ARGS"}
	}
	table := x.FetchTable
	f := &FetchContent{
		LeaveOut: lowered(table.LeaveOut), Variables: table.Variables,
		Arguments: cmp.Or(table.Arguments, "CMAKE_ARGS"), Repositories: map[string]ContentRepository{},
	}
	for name, r := range table.Repository {
		f.Repositories[strings.ToLower(name)] = ContentRepository{r.URL, r.Ref, r.Submodules, patches(r.Patch), r.Environment}
	}
	return f
}

// lowered are names as CMake compares those of contents.
func lowered(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	return out
}

var contentRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// ContentName tells whether content of that name can have a directory and a
// CMake variable of its own.
func ContentName(name string) bool { return contentRE.MatchString(name) }

func (f *FetchContent) check(bad func(format string, args ...any)) {
	if f == nil {
		return
	}
	if f.fault != nil {
		bad("fetchcontent: %w", f.fault)
	}
	if !envRE.MatchString(f.Arguments) {
		bad("fetchcontent: arguments %q is not a variable name", f.Arguments)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Repositories)) {
		r := f.Repositories[name]
		if !ContentName(name) {
			bad("fetchcontent: repository %q: not a content name", name)
		}
		if slices.Contains(f.LeaveOut, name) {
			bad("fetchcontent: %q is both left out and given a repository", name)
		}
		if r.Environment != "" && !envRE.MatchString(r.Environment) {
			bad("fetchcontent: repository %q: environment %q is not a variable name", name, r.Environment)
		}
		checkPatches(r.Patches, func(format string, args ...any) {
			bad("fetchcontent: repository %q: "+format, append([]any{name}, args...)...)
		})
	}
}

// Content returns the locked content of that name, which may be of any case.
func (w *LockedWheel) Content(name string) (*LockedContent, bool) {
	i := slices.IndexFunc(w.FetchContent, func(c LockedContent) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return nil, false
	}
	return &w.FetchContent[i], true
}

// RepositoryURLs are the URLs of all repositories that the lock needs, sorted,
// each once.
func (l *Lock) RepositoryURLs() []string {
	seen := map[string]bool{}
	add := func(url string, submodules []LockedSubmodule) {
		seen[url] = true
		for _, s := range submodules {
			seen[s.URL] = true
		}
	}
	for _, s := range l.Sources {
		add(s.URL, s.Submodules)
	}
	for _, w := range l.Wheels {
		for _, c := range w.FetchContent {
			add(c.URL, c.Submodules)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func diffContents(before, after *LockedWheel, say func(name, a, b string)) {
	for _, c := range after.FetchContent {
		old, ok := before.Content(c.Name)
		if !ok {
			old = &LockedContent{}
		}
		say(after.Name+" fetches "+c.Name, strings.TrimSpace(old.Ref+" "+old.Commit), c.Ref+" "+c.Commit)
	}
	for _, c := range before.FetchContent {
		if _, ok := after.Content(c.Name); !ok {
			say(before.Name+" fetches "+c.Name, c.Ref+" "+c.Commit, "")
		}
	}
}
