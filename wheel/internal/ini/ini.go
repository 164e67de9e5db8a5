// Package ini reads files of Python's configparser: entry_points.txt and
// pip.conf.
package ini

import (
	"fmt"
	"strings"
)

// Option is one key of a section and its value, both without the white space
// around them; a value of several lines has them joined by "\n".
type Option struct{ Section, Key, Value string }

// Parse reads text as a strict configparser does whose delimiters are the bytes
// of delimiters and whose keys are case-sensitive. It goes on after a mistake,
// to find all: options are those that it could read, in their order, of which
// those that stand twice are errors as well.
func Parse(text, delimiters string) (options []Option, errs []error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	section, indent := "", 0
	var lines []string // of the last option, which a deeper line continues
	finish := func() {
		if lines != nil {
			options[len(options)-1].Value = strings.TrimSpace(strings.Join(lines, "\n"))
			lines = nil
		}
	}
	defer finish()
	sections, keys := map[string]bool{}, map[[2]string]bool{}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		wrong := func(what string) {
			errs = append(errs, fmt.Errorf("line %d: %s: %q", number, what, strings.TrimSpace(line)))
		}
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		depth := strings.Index(line, trimmed)
		if lines != nil && depth > indent {
			lines = append(lines, trimmed)
			continue
		}
		finish()
		indent = depth
		if end := strings.LastIndexByte(trimmed, ']'); trimmed[0] == '[' && end > 1 {
			section = trimmed[1:end]
			if sections[section] || section == "DEFAULT" {
				wrong("a section that is not allowed here")
			}
			sections[section] = true
			continue
		}
		at := strings.IndexAny(trimmed, delimiters)
		key := strings.TrimSpace(trimmed[:max(at, 0)])
		switch {
		case section == "":
			wrong("a line before the first section")
			continue
		case key == "":
			wrong("neither a section nor key = value")
			continue
		case keys[[2]string{section, key}]:
			wrong("a key that occurs twice in its section")
		}
		keys[[2]string{section, key}] = true
		options = append(options, Option{Section: section, Key: key})
		lines = []string{strings.TrimSpace(trimmed[at+1:])}
	}
	return options, errs
}
