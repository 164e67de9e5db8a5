// Package fetchcontent finds which repositories a CMake project fetches while
// it is configured, by reading its files: nothing is run. Start at [Read].
package fetchcontent

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Options say what is known of the build whose project is read.
type Options struct {
	// Root is the absolute path at which the tree stands in the build, and Dir
	// the project's directory below it, "" for its top.
	Root, Dir string
	// Environment is what the recipe adds to the build's environment.
	Environment map[string]string
	// Variables have these values wherever they are read, whatever the files set.
	Variables map[string]string
}

// Way is how a project asks for a repository.
type Way string

// Declared content can be given to CMake as FETCHCONTENT_SOURCE_DIR_<NAME>.
// CMake ignores that variable for what is populated with details of its own
// and for external projects.
const (
	Declared  Way = "FetchContent_Declare"
	Populated Way = "FetchContent_Populate"
	External  Way = "ExternalProject_Add"
)

// Content is one repository or archive that the project may fetch.
type Content struct {
	Name string // as the project writes it; CMake takes any case
	Way  Way
	At   Place
	// URL and Tag are GIT_REPOSITORY and GIT_TAG; a Tag is never empty.
	URL, Tag string
	// Archive is the first URL of content that is no git repository.
	Archive string
	// Submodules are GIT_SUBMODULES: "*" for all, which is CMake's default.
	Submodules []string
	// Patched says that a PATCH_COMMAND is declared. CMake does not run it on a
	// directory that is given.
	Patched bool
	// Variable is what the project reads the place of a local copy from, ""
	// when none was found; FromEnvironment that it looks into the environment.
	Variable        string
	FromEnvironment bool
	// When are the conditions around it that what is known did not settle.
	When []Condition
	// Open are the details that could not be evaluated.
	Open []Open
	// Rivals are other details under the same name, of which the conditions
	// decide.
	Rivals []Content
}

// Place is a line of a file of the tree.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Condition is an if() that was not settled, with the variables that it needs.
type Condition struct {
	At        Place
	Text      string
	Variables []string
}

// Open is a detail that could not be evaluated: the option, its text, and the
// variable that has no known value.
type Open struct {
	Option, Text, Variable, Reason string
}

// Note is something of the project's files that was passed over.
type Note struct {
	At   Place
	Text string
}

func (n Note) String() string { return n.At.String() + ": " + n.Text }

// Result is what was found, in the order of the files.
type Result struct {
	Contents []Content
	Notes    []Note
}

// Read follows the project's CMakeLists.txt through the files of tree that it
// includes. Where what is known does not decide an if(), both sides are read.
// A project without CMakeLists.txt has no contents. The error is of the files:
// a *cmake.SyntaxError, or more to evaluate than any real project has.
//
// Pass a tree that refuses to be left by links, such as (*os.Root).FS.
func Read(tree fs.FS, opt Options) (*Result, error) {
	r := newReader(tree, opt)
	top := path.Join(opt.Dir, "CMakeLists.txt")
	if _, err := fs.Stat(tree, top); err != nil {
		return &Result{Notes: []Note{{Place{top, 1}, "the file does not exist"}}}, nil //nolint:nilerr // the note says it
	}
	if _, err := r.file(top); err != nil {
		return nil, fmt.Errorf("reading the project's CMake files: %w", err)
	}
	return &Result{Contents: r.gather(), Notes: r.notes}, nil
}

// Key is the name by which CMake knows content: of any case.
func (c Content) Key() string { return strings.ToLower(c.Name) }
