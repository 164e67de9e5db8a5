package wheel

import (
	"fmt"
	"strings"
)

// option is one key of an INI file.
type option struct{ section, key, value string }

// parseINI reads an INI file as Python's configparser does with the delimiter
// "=" and case-sensitive keys, strictly. It goes on after a mistake, to find all.
func parseINI(text string) (options []option, errs []error) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	section, indent := "", 0
	var current *option // what a deeper line continues
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
		if current != nil && depth > indent {
			current.value = strings.TrimSpace(current.value + "\n" + trimmed)
			continue
		}
		indent, current = depth, nil
		if end := strings.LastIndexByte(trimmed, ']'); trimmed[0] == '[' && end > 1 {
			section = trimmed[1:end]
			if sections[section] || section == "DEFAULT" {
				wrong("a section that cannot stand here")
			}
			sections[section] = true
			continue
		}
		key, value, ok := strings.Cut(trimmed, "=")
		key = strings.TrimSpace(key)
		switch {
		case section == "":
			wrong("a line before the first section")
			continue
		case !ok || key == "":
			wrong("neither a section nor key = value")
			continue
		case keys[[2]string{section, key}]:
			wrong("a key that stands twice in its section")
			continue
		}
		keys[[2]string{section, key}] = true
		options = append(options, option{section, key, strings.TrimSpace(value)})
		current = &options[len(options)-1]
	}
	return options, errs
}
