package wheel

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// maxEntryPoints bounds entry_points.txt.
const maxEntryPoints = 4 << 20

// EntryPoint is one script that an installer makes: a file called Name that
// imports Module and calls Function.
type EntryPoint struct {
	Name     string
	Module   string
	Function string // dotted where it is an attribute of what is imported
	GUI      bool
}

// ParseEntryPoints reads console_scripts and gui_scripts of entry_points.txt
// as uv does: an INI file whose only delimiter is "=", keys case-sensitive,
// the last of two equal keys counts. Scripts come sorted by name. Extras
// ("[x]") are ignored, as the specification asks.
func ParseEntryPoints(r io.Reader) ([]EntryPoint, []error) {
	text, err := io.ReadAll(io.LimitReader(r, maxEntryPoints+1))
	if err != nil {
		return nil, []error{fmt.Errorf("reading entry_points.txt: %w", err)}
	}
	if len(text) > maxEntryPoints {
		return nil, []error{fmt.Errorf("entry_points.txt is larger than %d bytes", maxEntryPoints)}
	}
	var errs []error
	values := map[EntryPoint]string{} // by name and kind
	section := ""
	for n, line := range strings.Split(string(text), "\n") {
		wrong := func(what string) {
			errs = append(errs, fmt.Errorf("line %d: %s: %q", n+1, what, strings.TrimSpace(line)))
		}
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
			continue
		}
		if trimmed[0] == '[' && trimmed[len(trimmed)-1] == ']' {
			section = strings.TrimSpace(trimmed[1 : len(trimmed)-1])
			continue
		}
		gui := section == "gui_scripts"
		if !gui && section != "console_scripts" {
			continue
		}
		key, value, ok := strings.Cut(trimmed, "=")
		if !ok {
			wrong("a script without a value")
			continue
		}
		values[EntryPoint{Name: strings.TrimSpace(key), GUI: gui}] = strings.TrimSpace(value)
	}
	return entryPoints(values, errs)
}

func entryPoints(values map[EntryPoint]string, errs []error) ([]EntryPoint, []error) {
	var points []EntryPoint
	for e, value := range values {
		reference, _, _ := strings.Cut(value, "[")
		module, function, ok := strings.Cut(reference, ":")
		e.Module, e.Function = strings.TrimSpace(module), strings.TrimSpace(function)
		if !ok || !isReference(e.Module) || !isReference(e.Function) || strings.Contains(value, "[") && !strings.HasSuffix(value, "]") {
			errs = append(errs, fmt.Errorf("script %q is %q, which is not module:function", e.Name, value))
			continue
		}
		points = append(points, e)
	}
	slices.SortFunc(points, func(a, b EntryPoint) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Module, b.Module))
	})
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	for i := 1; i < len(points); i++ {
		if points[i].Name == points[i-1].Name {
			errs = append(errs, fmt.Errorf("script %q is both a console and a GUI script", points[i].Name))
		}
	}
	return points, errs
}

// isReference admits what uv does: anything else could put code of its own
// into the script that is made of it.
func isReference(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r) && !unicode.Is(unicode.M, r) {
			return false
		}
	}
	return s != ""
}
