// Package rewrite applies a recipe's requirement rules to a source tree: its
// requirement files, those they include, and its pyproject.toml.
package rewrite

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/pyproject"
)

// maxSize bounds a requirement file; real ones have some 30 kB.
const maxSize = 4 << 20

// Rules are what a recipe says of a source's requirements.
type Rules struct {
	Rules []requirements.Rule
	// Files are globs over slash-separated paths below the root; ** stands for
	// any number of directories. Of what a wildcard in the last element matches,
	// only *.txt, *.in and pyproject.toml are read.
	Files []string
	// MustMatch makes a rule that matches nothing an error. A name and its glob
	// (flashinfer and flashinfer-*) are one family: it is enough that one matches.
	MustMatch bool
}

// Result is what rules did to a tree. Nothing is written before Write.
type Result struct {
	requirements.Report
	// Unmatched are the rules that met no requirement, in words.
	Unmatched []string
	// Dynamic are the fields that each pyproject.toml leaves to its backend;
	// files from which setuptools reads dependencies are rewritten too.
	Dynamic []Dynamic
	// Files are the changed files, by path; all other files are as they should be.
	Files map[string][]byte

	before map[string][]byte
}

// Dynamic is a requirement field that no rule can see in a pyproject.toml.
type Dynamic struct {
	File string
	pyproject.Dynamic
}

// UnmatchedError says that rules matched nothing although they must.
type UnmatchedError struct {
	Rules, Files []string
}

func (e *UnmatchedError) Error() string {
	return fmt.Sprintf("rewriting requirements: nothing in %s matches: %s",
		strings.Join(e.Files, ", "), strings.Join(e.Rules, "; "))
}

// Tree applies rules to the files below root that they name and to those that
// these include by -r and -c, inside root only. It writes nothing. All files
// that cannot be read are in one error; with MustMatch, an *UnmatchedError comes
// with the whole Result.
func Tree(root *os.Root, rules Rules) (Result, error) {
	for _, r := range rules.Rules {
		if err := r.Check(); err != nil {
			return Result{}, fmt.Errorf("reading rewrite rules: %w", err)
		}
	}
	t := &tree{root: root, rules: rules.Rules, result: Result{
		Report: requirements.Report{Matched: make([]bool, len(rules.Rules))},
		Files:  map[string][]byte{},
		before: map[string][]byte{},
	}}
	queue, err := find(root, rules.Files)
	if err != nil {
		return Result{}, err
	}
	seen := map[string]bool{}
	var faults []error
	for len(queue) > 0 {
		file := queue[0]
		queue = queue[1:]
		if seen[file] {
			continue
		}
		seen[file] = true
		next, err := t.file(file)
		faults = append(faults, err)
		queue = append(queue, next...)
	}
	if err := errors.Join(faults...); err != nil {
		return Result{}, err
	}
	return t.finish(rules)
}

type tree struct {
	root   *os.Root
	rules  []requirements.Rule
	result Result
}

func (t *tree) finish(rules Rules) (Result, error) {
	r := t.result
	slices.SortStableFunc(r.Changes, func(a, b requirements.Change) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	slices.SortStableFunc(r.Left, func(a, b requirements.Left) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	slices.SortStableFunc(r.Warnings, func(a, b requirements.Warning) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	family := map[string]bool{}
	for i, matched := range r.Matched {
		if matched {
			family[stem(t.rules[i])] = true
		}
	}
	var missing []string
	for i, matched := range r.Matched {
		if matched {
			continue
		}
		r.Unmatched = append(r.Unmatched, t.rules[i].String())
		if !family[stem(t.rules[i])] {
			missing = append(missing, t.rules[i].String())
		}
	}
	if rules.MustMatch && len(missing) > 0 {
		return r, &UnmatchedError{Rules: missing, Files: rules.Files}
	}
	return r, nil
}

// stem names a rule's family: "drop flashinfer" for that and for flashinfer-*.
func stem(r requirements.Rule) string { return strings.TrimSuffix(r.String(), "-*") }

// file rewrites one file and returns the files it leads to.
func (t *tree) file(name string) ([]string, error) {
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		// An include of a file that only some builds have.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Mode().Type() == fs.ModeSymlink {
		// Renaming over the link would leave its target as it was.
		target, err := t.root.Readlink(name)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		return inside(name, target), nil
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: it is not a regular file (%s)", name, info.Mode().Type())
	}
	src, err := t.read(name)
	if err != nil {
		return nil, err
	}
	if path.Base(name) == "pyproject.toml" {
		return t.pyproject(name, src)
	}
	return t.requirements(name, src)
}

func (t *tree) pyproject(name string, src []byte) ([]string, error) {
	p, err := pyproject.Rewrite(name, src, t.rules)
	if err != nil {
		return nil, err
	}
	t.add(name, src, p.Bytes, p.Report)
	var next []string
	for _, d := range p.Dynamic {
		t.result.Dynamic = append(t.result.Dynamic, Dynamic{name, d})
		for _, f := range d.Files {
			next = append(next, inside(name, f)...)
		}
	}
	return next, nil
}

func (t *tree) requirements(name string, src []byte) ([]string, error) {
	f, err := requirements.Parse(name, src)
	if err != nil {
		return nil, err
	}
	rewritten, report := requirements.Rewrite(f, t.rules)
	t.add(name, src, rewritten.Bytes(), report)
	var next []string
	for e := range f.Entries() {
		if e.Kind == requirements.Include || e.Kind == requirements.Constraint {
			next = append(next, inside(name, e.Path)...)
		}
	}
	return next, nil
}

func (t *tree) add(name string, before, after []byte, report requirements.Report) {
	t.result.Add(report)
	if len(report.Changes) > 0 {
		t.result.Files[name] = after
		t.result.before[name] = before
	}
}

// inside resolves what file includes, unless that is a URL, a variable or lies
// outside the tree.
func inside(file, include string) []string {
	if strings.Contains(include, "://") || strings.Contains(include, "${") || path.IsAbs(include) {
		return nil
	}
	p := path.Join(path.Dir(file), include)
	if !fs.ValidPath(p) || p == "." {
		return nil
	}
	return []string{p}
}

func (t *tree) read(name string) ([]byte, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(src) > maxSize {
		return nil, fmt.Errorf("reading %s: it is larger than %d MiB", name, maxSize>>20)
	}
	return src, nil
}
