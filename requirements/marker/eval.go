package marker

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/internal/name"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Environment is what markers ask of the interpreter that an installation is
// for. A field left empty has the value "".
type Environment struct {
	ImplementationName           string // cpython
	ImplementationVersion        string // 3.12.3
	OSName                       string // posix
	PlatformMachine              string // aarch64
	PlatformPythonImplementation string // CPython
	PlatformRelease              string
	PlatformSystem               string // Linux
	PlatformVersion              string
	PythonFullVersion            string // 3.12.3
	PythonVersion                string // 3.12
	SysPlatform                  string // linux

	// Extras and DependencyGroups are the sets that a lock file's markers ask
	// (PEP 751); elsewhere they are empty.
	Extras, DependencyGroups []string
}

// Linux is the environment of CPython on Linux: python is its version with or
// without the patch level ("3.12" stands for "3.12.0"), machine as uname says
// it (aarch64, x86_64).
func Linux(python, machine string) Environment {
	full := python
	if strings.Count(python, ".") < 2 {
		full += ".0"
	}
	major, minor, _ := strings.Cut(full, ".")
	minor, _, _ = strings.Cut(minor, ".")
	return Environment{
		ImplementationName:           "cpython",
		ImplementationVersion:        full,
		OSName:                       "posix",
		PlatformMachine:              machine,
		PlatformPythonImplementation: "CPython",
		PlatformSystem:               "Linux",
		PythonFullVersion:            full,
		PythonVersion:                major + "." + minor,
		SysPlatform:                  "linux",
	}
}

// EvalError says that a comparison has no meaning: ~= on text that is no
// version, two strings, or a set on the left.
type EvalError struct {
	Comparison string
}

func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluating marker %s: the comparison has no meaning", e.Comparison)
}

// Eval reports whether e holds in env when the given extras are asked for: with
// none, the variable extra is ""; with several, it is enough that e holds for
// one. The error is an *EvalError.
func (e Expr) Eval(env Environment, extras ...string) (bool, error) {
	if e.IsZero() {
		return true, nil
	}
	if len(extras) == 0 {
		extras = []string{""}
	}
	holds := false
	for _, extra := range extras {
		ok, err := e.root.eval(lookup{env, name.Fold(extra)})
		if err != nil {
			return false, err
		}
		holds = holds || ok
	}
	return holds, nil
}

type lookup struct {
	env   Environment
	extra string
}

// value is that of a variable with one value; a set's is not found.
func (l lookup) value(name string) (string, bool) {
	switch name {
	case "implementation_name":
		return l.env.ImplementationName, true
	case "implementation_version":
		return l.env.ImplementationVersion, true
	case "os_name":
		return l.env.OSName, true
	case "platform_machine":
		return l.env.PlatformMachine, true
	case "platform_python_implementation":
		return l.env.PlatformPythonImplementation, true
	case "platform_release":
		return l.env.PlatformRelease, true
	case "platform_system":
		return l.env.PlatformSystem, true
	case "platform_version":
		return l.env.PlatformVersion, true
	case "python_full_version":
		// Untagged builds of Python call themselves 3.12.3+.
		if full := l.env.PythonFullVersion; strings.HasSuffix(full, "+") {
			return full + "local", true
		}
		return l.env.PythonFullVersion, true
	case "python_version":
		return l.env.PythonVersion, true
	case "sys_platform":
		return l.env.SysPlatform, true
	case "extra":
		return l.extra, true
	}
	return "", false
}

func (l lookup) set(name string) ([]string, bool) {
	switch name {
	case "extras":
		return l.env.Extras, true
	case "dependency_groups":
		return l.env.DependencyGroups, true
	}
	return nil, false
}

// eval looks at every comparison, so that a meaningless one is always told.
func (g group) eval(l lookup) (bool, error) {
	any, all := false, true
	for _, t := range g {
		ok, err := t.node.eval(l)
		if err != nil {
			return false, err
		}
		if t.join == "or" {
			any, all = any || all, true
		}
		all = all && ok
	}
	return any || all, nil
}

func (c comparison) eval(l lookup) (bool, error) {
	left, right, key := c.left.text, c.right.text, c.left.text
	if c.left.variable {
		value, ok := l.value(key)
		if !ok {
			return false, &EvalError{c.String()}
		}
		left = value
	} else {
		key = c.right.text
		if set, ok := l.set(key); ok && c.right.variable {
			return c.member(name.Fold(left), set)
		}
		value, ok := l.value(key)
		if !ok || !c.right.variable {
			return false, &EvalError{c.String()}
		}
		right = value
	}
	switch key {
	case "implementation_version", "platform_release", "python_full_version", "python_version":
		if clause, err := version.ParseSpecifier(c.op + right); err == nil {
			return version.Specifiers{clause}.ContainsText(left), nil
		}
	}
	return c.compare(left, right)
}

// compare is the comparison of strings: < and > order versions only, and are
// false between others.
func (c comparison) compare(left, right string) (bool, error) {
	switch c.op {
	case "in":
		return strings.Contains(right, left), nil
	case "not in":
		return !strings.Contains(right, left), nil
	case "==", "<=", ">=":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<", ">":
		return false, nil
	}
	return false, &EvalError{c.String()}
}

// member compares with a set: no string equals one.
func (c comparison) member(folded string, set []string) (bool, error) {
	in := false
	for _, s := range set {
		in = in || name.Fold(s) == folded
	}
	switch c.op {
	case "in":
		return in, nil
	case "not in":
		return !in, nil
	case "==", "<", "<=", ">", ">=":
		return false, nil
	case "!=":
		return true, nil
	}
	return false, &EvalError{c.String()}
}

func (c comparison) String() string { return c.format(true) }
