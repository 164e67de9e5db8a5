// Package pyproject applies requirement rules to a pyproject.toml: to
// build-system.requires, project.dependencies, project.optional-dependencies and
// dependency-groups. Every byte outside a change stays as it is.
package pyproject

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/sparkwheel/sparkwheel/requirements"
)

// Result is a rewritten pyproject.toml. Without changes, Bytes is what was given.
type Result struct {
	Bytes []byte
	requirements.Report
	Dynamic []Dynamic
}

// Dynamic is a field of requirements that project.dynamic leaves to the build
// backend, so that no rule can see it here.
type Dynamic struct {
	Field string // dependencies or optional-dependencies
	// Files are those from which setuptools reads it (tool.setuptools.dynamic),
	// relative to the pyproject.toml.
	Files []string
}

// Rewrite applies rules to src; name is used in errors and changes. Arrays stay
// valid TOML whatever their layout. The error is a *requirements.SyntaxError, or
// several joined: TOML that cannot be read, or an element that is no requirement.
func Rewrite(name string, src []byte, rules []requirements.Rule) (Result, error) {
	// Into any, so that values which are not looked at are read and checked too.
	var doc map[string]any
	if err := toml.Unmarshal(src, &doc); err != nil {
		return Result{}, syntaxError(name, src, err)
	}
	arrays, err := findArrays(src)
	if err != nil {
		return Result{}, fmt.Errorf("parsing %s: %w", name, err)
	}
	r := Result{Bytes: src, Dynamic: dynamic(doc)}
	r.Matched = make([]bool, len(rules))
	var edits []edit
	var faults []error
	for _, a := range arrays {
		e, report, err := a.rewrite(name, src, rules)
		faults = append(faults, err)
		edits = append(edits, e...)
		r.Add(report)
	}
	if err := errors.Join(faults...); err != nil {
		return Result{}, err
	}
	if len(edits) > 0 {
		r.Bytes = apply(src, edits)
	}
	return r, nil
}

func dynamic(doc map[string]any) []Dynamic {
	fields, _ := lookup(doc, "project", "dynamic").([]any)
	var found []Dynamic
	for _, field := range fields {
		if field == "dependencies" || field == "optional-dependencies" {
			name := field.(string)
			found = append(found, Dynamic{name, files(lookup(doc, "tool", "setuptools", "dynamic", name))})
		}
	}
	return found
}

func lookup(table map[string]any, path ...string) any {
	for _, key := range path[:len(path)-1] {
		table, _ = table[key].(map[string]any)
	}
	return table[path[len(path)-1]]
}

// files reads {file = "a"} and {file = ["a", "b"]}, and tables of these.
func files(v any) []string {
	table, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	var found []string
	if file, ok := table["file"]; ok {
		switch file := file.(type) {
		case string:
			found = append(found, file)
		case []any:
			for _, f := range file {
				if s, ok := f.(string); ok {
					found = append(found, s)
				}
			}
		}
		return found
	}
	for _, key := range sortedKeys(table) {
		found = append(found, files(table[key])...)
	}
	return found
}

func syntaxError(name string, src []byte, err error) error {
	decode, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	row, col := decode.Position()
	lines := strings.Split(string(src), "\n")
	text := ""
	if row >= 1 && row <= len(lines) {
		text = strings.TrimSuffix(lines[row-1], "\r")
	}
	return &requirements.SyntaxError{
		File: name, Line: row, Col: col, Text: text,
		Msg: strings.TrimPrefix(decode.Error(), "toml: "),
	}
}
