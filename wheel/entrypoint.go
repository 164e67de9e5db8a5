package wheel

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/sparkwheel/sparkwheel/wheel/internal/ini"
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
// as uv does, with the rules of Python's configparser: the only delimiter is
// "=", keys are case-sensitive, deeper indented lines continue a value, and no
// section or key stands twice. Scripts come sorted by name. Extras ("[x]") are
// ignored, as the specification asks.
func ParseEntryPoints(r io.Reader) ([]EntryPoint, []error) {
	text, err := io.ReadAll(io.LimitReader(r, maxEntryPoints+1))
	if err != nil {
		return nil, []error{fmt.Errorf("reading entry_points.txt: %w", err)}
	}
	if len(text) > maxEntryPoints {
		return nil, []error{fmt.Errorf("entry_points.txt is larger than %d bytes", maxEntryPoints)}
	}
	options, errs := ini.Parse(string(text), "=")
	var points []EntryPoint
	for _, o := range options {
		if o.Section != "console_scripts" && o.Section != "gui_scripts" {
			continue
		}
		e := EntryPoint{Name: o.Key, GUI: o.Section == "gui_scripts"}
		if e.Module, e.Function, err = parseReference(o.Value); err != nil {
			errs = append(errs, fmt.Errorf("script %q is %q, %w", o.Key, o.Value, err))
			continue
		}
		points = append(points, e)
	}
	slices.SortStableFunc(points, func(a, b EntryPoint) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(points); i++ {
		if points[i].Name == points[i-1].Name && points[i].GUI != points[i-1].GUI {
			errs = append(errs, fmt.Errorf("script %q is both a console and a GUI script", points[i].Name))
		}
	}
	return points, errs
}

// parseReference takes module:function [extras] apart.
func parseReference(value string) (module, function string, err error) {
	reference, extras, bracket := strings.Cut(value, "[")
	module, function, ok := strings.Cut(reference, ":")
	module, function = strings.TrimSpace(module), strings.TrimSpace(function)
	if !ok || !isReference(module) || !isReference(function) {
		return "", "", fmt.Errorf("which is not module:function")
	}
	extras, closed := strings.CutSuffix(extras, "]")
	if bracket && (!closed || extras == "" || extras[0] == ',' || strings.Contains(extras, ",,")) {
		return "", "", fmt.Errorf("whose extras are not [name,name]")
	}
	return module, function, nil
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
