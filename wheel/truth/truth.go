// Package truth judges whether metadata says what is so: whether a built wheel
// requires the versions that it was built against, and whether the
// distributions of an image satisfy each other. It takes values and returns all
// faults at once; it reads no wheel and no image.
package truth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Distribution is what a METADATA file says of itself, and where it was found.
type Distribution struct {
	Name           requirements.Name
	Version        version.Version
	Requires       []requirements.Requirement // Requires-Dist
	RequiresPython version.Specifiers
	Extras         []requirements.Name // Provides-Extra
	// Origin is for people: a wheel's file name, "base image", a directory.
	Origin string
}

func (d Distribution) String() string {
	return fmt.Sprintf("%s %s", d.Name, d.Version)
}

// Used is a distribution that a build really used: imported, compiled against,
// or played by a shim.
type Used struct {
	Name    requirements.Name
	Version version.Version
	Origin  string // "torch-2.11.0-....whl", "shim"
	// Asked are the places of the source tree that ask for it, as
	// "requirements/cuda.txt:5"; see rewrite.Find.
	Asked []string
}

// The codes of faults.
const (
	// CodeBuiltAgainst: a wheel forbids the version that it was built against.
	CodeBuiltAgainst = "built-against-other-version"
	// CodeConflict: a distribution is installed in a version that another forbids.
	CodeConflict = "version-conflict"
	// CodeMissing: a required distribution is not installed.
	CodeMissing = "requirement-missing"
	// CodePython: a distribution forbids the target's Python.
	CodePython = "python-version"
	// CodeMarker: a marker compares what cannot be compared.
	CodeMarker = "marker-without-meaning"
)

// Fault is one thing that is not as a distribution says it must be.
type Fault struct {
	Code         string            `json:"code"`
	Distribution requirements.Name `json:"distribution"` // whose metadata says so
	Requirement  string            `json:"requirement"`  // what it says
	Name         requirements.Name `json:"name"`         // the distribution that it says it of
	Message      string            `json:"message"`      // what is so instead
	// Pin is the specifier that would admit the version that is there; empty
	// where no version is.
	Pin string `json:"pin,omitempty"`
}

func (f Fault) String() string { return fmt.Sprintf("%s [%s]", f.Message, f.Code) }

// Error holds all faults that were found. It has at least one.
type Error struct {
	What   string // "vllm-0.22.1-....whl", "the image"
	Faults []Fault
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "checking the requirements of %s: %d fault", e.What, len(e.Faults))
	if len(e.Faults) != 1 {
		b.WriteByte('s')
	}
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

func sortFaults(faults []Fault) {
	slices.SortFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Distribution, b.Distribution), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Requirement, b.Requirement), cmp.Compare(a.Code, b.Code))
	})
}

// Built lists the requirements of a built wheel that forbid what the build used.
// Requirements that apply only under one of the wheel's extras count as well;
// those for other environments than env, and those by URL, do not. A version of
// the build with a local label, as 2.11.0+cu130, is admitted by ==2.11.0.
func Built(d Distribution, used []Used, env marker.Environment) []Fault {
	var faults []Fault
	for _, r := range d.Requires {
		for _, u := range used {
			if r.Name != u.Name || r.URL != "" || r.Specifiers.Contains(u.Version) {
				continue
			}
			applies, err := appliesTo(r, env, d.Extras)
			switch {
			case err != nil:
				faults = append(faults, markerFault(d, r, err))
			case applies:
				faults = append(faults, builtFault(d, r, u))
			}
		}
	}
	sortFaults(faults)
	return faults
}

// appliesTo reports whether r applies in env: always, or under one of extras.
func appliesTo(r requirements.Requirement, env marker.Environment, extras []requirements.Name) (bool, error) {
	asked := []string{""}
	for _, e := range extras {
		asked = append(asked, string(e))
	}
	return r.Marker.Eval(env, asked...)
}

func builtFault(d Distribution, r requirements.Requirement, u Used) Fault {
	asked := ""
	if len(u.Asked) > 0 {
		asked = fmt.Sprintf(" (required by the source in %s)", strings.Join(u.Asked, ", "))
	}
	origin := ""
	if u.Origin != "" {
		origin = fmt.Sprintf(" (%s)", u.Origin)
	}
	return Fault{
		Code: CodeBuiltAgainst, Distribution: d.Name, Requirement: r.String(), Name: r.Name,
		Message: fmt.Sprintf("%s requires %s%s, but was built against %s %s%s", d.origin(), excerpt.Of(r.String()), asked, u.Name, u.Version, origin),
		Pin:     Pin(u.Version),
	}
}

// Pin is the specifier that admits what was built against v, on any index: v
// without its local label.
func Pin(v version.Version) string { return "==" + v.Public().String() }

func (d Distribution) origin() string {
	if d.Origin == "" {
		return d.String()
	}
	return fmt.Sprintf("%s (%s)", d, d.Origin)
}

func markerFault(d Distribution, r requirements.Requirement, err error) Fault {
	return Fault{
		Code: CodeMarker, Distribution: d.Name, Requirement: r.String(), Name: r.Name,
		Message: fmt.Sprintf("%s requires %s: %v", d.origin(), excerpt.Of(r.String()), err),
	}
}
