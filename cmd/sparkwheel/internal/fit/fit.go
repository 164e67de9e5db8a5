// Package fit judges wheels against a base, by the base's file list alone: what
// of the base must be hidden so that an older distribution is really gone, which
// is what `pip install` does, and what cannot be laid upon the base at all. It
// is pure: files in, verdict out.
package fit

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// Base is what wheels are laid upon.
type Base struct {
	Files  *listing.Files
	Scheme install.Scheme // where the wheels go
	Path   []string       // where its Python looks for distributions, in that order
	// Owners are the Debian packages that own paths, of those that have one.
	Owners func(paths []string) (map[string]string, error)
}

// Wheel is one of the wheels.
type Wheel struct {
	File    string
	Name    requirements.Name
	Version version.Version
}

// Options say what is accepted.
type Options struct {
	NoReplace bool                // a distribution that the base has is a problem
	Shadow    []requirements.Name // may stand beside one of a Debian package, found first
}

// Replaced is a distribution of the base that a wheel takes the place of.
type Replaced struct {
	Name    requirements.Name `json:"name"`
	Version string            `json:"version"` // of the base's; "" where it does not say
	Wheel   string            `json:"wheel"`
}

func (r Replaced) String() string {
	return strings.TrimSpace(string(r.Name) + " " + r.Version)
}

// Verdict is what is to be done so that wheels can lie upon a base.
type Verdict struct {
	// Whiteouts are paths of the base to hide before the wheels' layers, sorted;
	// none is below another.
	Whiteouts []string
	Replaced  []Replaced
	// Left are files of replaced distributions outside the directories of the
	// scheme: they stay, as they do with pip.
	Left []string
	// Shadowed are distributions of Debian packages that a wheel hides.
	Shadowed []Replaced
}

// Hides says whether a path of the base is gone with the whiteouts.
func (v Verdict) Hides(name string) bool {
	for ; name != "." && name != ""; name = path.Dir(name) {
		if _, found := slices.BinarySearch(v.Whiteouts, name); found {
			return true
		}
	}
	return false
}

// The codes of problems.
const (
	CodeReplaces   = "replaces-distribution" // the base has it, and NoReplace
	CodeDebian     = "debian-package"        // a Debian package owns the distribution
	CodeEditable   = "editable"              // its modules are in a checkout
	CodeUnrecorded = "no-record"             // nothing says which files are its own
	CodeDirectory  = "directory-in-the-way"  // a file where the base has a directory
	CodeFile       = "file-in-the-way"       // a directory where the base has a file
	CodeLink       = "link-in-the-way"       // a link that leads nowhere, or elsewhere
)

// Problem is one reason why wheels cannot be laid upon a base.
type Problem struct {
	Code  string
	Wheel string // file name
	Path  string // of the wheel's file, or of the base's distribution
	// Distribution is the base's, "" where the problem is one of files.
	Distribution string
	Package      string // the Debian package that owns it
	Beside       bool   // the wheel can be installed beside it, if Shadow names it
	Message      string
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s [%s]", p.Wheel, p.Message, p.Code) }

// Error holds all problems; there is at least one.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	const shown = 20
	var b strings.Builder
	fmt.Fprintf(&b, "installing the wheels on the base: %d problem", len(e.Problems))
	if len(e.Problems) != 1 {
		b.WriteByte('s')
	}
	for i, p := range e.Problems {
		if i == shown {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Problems)-shown)
			break
		}
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Judge says how the tree of wheels, as install.Tree gives it, can lie upon the
// base. All problems are in one *Error; other errors are of reading.
func Judge(base Base, tree fs.FS, wheels []Wheel, opt Options) (Verdict, error) {
	j := &judge{base: base, tree: tree, wheels: wheels, opt: opt, gone: map[string]bool{}, kept: map[string]bool{}}
	if err := j.replace(); err != nil {
		return Verdict{}, err
	}
	if err := j.lay("."); err != nil {
		return Verdict{}, err
	}
	if len(j.problems) > 0 {
		return Verdict{}, &Error{j.problems}
	}
	j.verdict.Whiteouts = j.whiteouts()
	return j.verdict, nil
}

// judge is a judgement being made.
type judge struct {
	base     Base
	tree     fs.FS
	wheels   []Wheel
	opt      Options
	verdict  Verdict
	problems []Problem
	gone     map[string]bool // files of the base to hide, and directories that this empties
	kept     map[string]bool // directories that were found to keep something
}

func (j *judge) problem(p Problem, format string, args ...any) {
	p.Message = fmt.Sprintf(format, args...)
	j.problems = append(j.problems, p)
}

// written is what the wheels have at a path, fs.ErrNotExist for nothing.
func (j *judge) written(name string) (fs.FileInfo, error) { return fs.Stat(j.tree, name) }

// there is what the base will have at a path of its own once the whiteouts are.
func (j *judge) there(name string) (listing.Entry, bool) {
	if j.gone[name] {
		return listing.Entry{}, false
	}
	return j.base.Files.Lstat(name)
}

// dirs are the directories of the scheme.
func (j *judge) dirs() []string {
	s := j.base.Scheme
	return []string{s.Purelib, s.Platlib, s.Scripts, s.Headers, s.Data}
}

// above says whether a path is one of the scheme's directories, or above one:
// those are where the base says that they are.
func (j *judge) above(name string) bool {
	return slices.ContainsFunc(j.dirs(), func(dir string) bool { return dir == name || strings.HasPrefix(dir, name+"/") })
}

func below(name string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}

// whiteouts are the uppermost paths that are gone and that no wheel writes.
func (j *judge) whiteouts() []string {
	var list []string
	for name := range j.gone {
		if j.gone[path.Dir(name)] {
			continue
		}
		if info, err := j.written(name); err == nil && !info.IsDir() {
			if e, ok := j.base.Files.Lstat(name); ok && e.Kind == tar.TypeReg {
				continue // the wheel's file comes in its place
			}
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
