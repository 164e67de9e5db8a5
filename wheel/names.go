package wheel

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPath      = 4000 // Linux takes 4095 from the root
	maxComponent = 255
)

// checkPath says what is wrong with the path of a member, by code and message,
// or "", "". A path that passes is relative, normalised and stays below the
// directory it is joined to.
func checkPath(path string) (code, message string) {
	name := strings.TrimSuffix(path, "/")
	switch {
	case name == "":
		return "path-empty", "the name is empty"
	case name[0] == '/':
		return "path-absolute", "the path is absolute"
	case strings.Contains(name, `\`):
		return "path-characters", `the path has a backslash, which Windows reads as a separator`
	case len(name) > maxPath:
		return "path-length", fmt.Sprintf("the path is longer than %d bytes", maxPath)
	}
	for _, r := range name {
		if unicode.Is(unicode.C, r) {
			return "path-characters", fmt.Sprintf("the path has the control character %U", r)
		}
	}
	if !utf8.ValidString(name) {
		return "path-characters", "the path is not valid UTF-8"
	}
	for component := range strings.SplitSeq(name, "/") {
		switch {
		case component == "..":
			return "path-traversal", `the path has ".." in it`
		case component == "" || component == ".":
			return "path-traversal", "the path has an empty component or a dot in it"
		case len(component) > maxComponent:
			return "path-length", fmt.Sprintf("a component of the path is longer than %d bytes", maxComponent)
		}
	}
	return "", ""
}

// checkScriptName says what is wrong with the name of a script that would
// stand beside the interpreter: it must be one path component, and must not
// replace an interpreter.
func checkScriptName(name string) (code, message string) {
	if code, message := checkPath(name); code != "" {
		return "script-name", fmt.Sprintf("the script name %q: %s", name, message)
	}
	if strings.Contains(name, "/") {
		return "script-name", fmt.Sprintf("the script name %q is a path", name)
	}
	if isInterpreter(name) {
		return "reserved-script", fmt.Sprintf("the script %q would replace a Python interpreter", name)
	}
	return "", ""
}

// isInterpreter knows python, python3, python3.N, python3.Nt, pypy…, graalpy…
// and their pythonw, in any case, with .py or .exe after them.
func isInterpreter(name string) bool {
	name = strings.ToLower(name)
	for _, suffix := range []string{".exe", ".py"} {
		name = strings.TrimSuffix(name, suffix)
	}
	for _, stem := range []string{"pythonw", "python", "pypy", "graalpy"} {
		if rest, ok := strings.CutPrefix(name, stem); ok {
			return isVersion(rest)
		}
	}
	return false
}

// isVersion says whether s is what follows an interpreter's name: "", 3, 3.12,
// 3.13t, or one of these with a w.
func isVersion(s string) bool {
	s = strings.TrimSuffix(s, "w")
	if s != "t" {
		s = strings.TrimSuffix(s, "t")
	}
	return strings.Trim(s, "0123456789.") == ""
}
