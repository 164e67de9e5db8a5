package truth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
)

// Options say how strictly an image is judged.
type Options struct {
	// Allow names required distributions whose faults are accepted; they are
	// listed all the same.
	Allow []requirements.Name
	// Complete makes a required distribution that is absent a fault; else it is a
	// warning.
	Complete bool
}

// Judgement is what an image's metadata says against the image. Faults,
// Warnings and Allowed are sorted by distribution and requirement.
type Judgement struct {
	Faults   []Fault
	Warnings []Fault // absent distributions, unless Options.Complete
	Allowed  []Fault // what Options.Allow accepted: to be recorded
	// Unneeded are the names of Options.Allow that accepted nothing.
	Unneeded []requirements.Name
}

// Err is an *Error with the faults, nil without; what names the image in it.
func (j Judgement) Err(what string) error {
	if len(j.Faults) == 0 {
		return nil
	}
	return &Error{what, j.Faults}
}

// Image judges every requirement of every distribution in set for the target's
// environment. Where set has a distribution twice, the first is the one that
// Python finds: give set in the order of sys.path. Extras count where another
// distribution asks for them, as ray[cgraph] does of ray; roots are those asked
// for of nobody else, such as "vllm[audio]".
func Image(set []Distribution, env marker.Environment, opt Options, roots ...requirements.Requirement) Judgement {
	im := image{env: env, found: map[requirements.Name]Distribution{}, extras: map[requirements.Name][]string{}}
	for _, d := range set {
		if _, ok := im.found[d.Name]; !ok {
			im.found[d.Name] = d
			im.names = append(im.names, d.Name)
		}
	}
	slices.Sort(im.names)
	for _, r := range roots {
		im.ask(r)
	}
	im.spreadExtras()
	var all []Fault
	for _, name := range im.names {
		all = append(all, im.judge(im.found[name])...)
	}
	sortFaults(all)
	return opt.sort(slices.CompactFunc(all, func(a, b Fault) bool { return a == b }))
}

func (o Options) sort(all []Fault) Judgement {
	var j Judgement
	needed := map[requirements.Name]bool{}
	for _, f := range all {
		switch {
		case slices.Contains(o.Allow, f.Name):
			needed[f.Name] = true
			j.Allowed = append(j.Allowed, f)
		case f.Code == CodeMissing && !o.Complete:
			j.Warnings = append(j.Warnings, f)
		default:
			j.Faults = append(j.Faults, f)
		}
	}
	for _, name := range o.Allow {
		if !needed[name] {
			j.Unneeded = append(j.Unneeded, name)
		}
	}
	return j
}

// image is a set of distributions under judgement.
type image struct {
	env    marker.Environment
	names  []requirements.Name // sorted
	found  map[requirements.Name]Distribution
	extras map[requirements.Name][]string // asked for, by distribution
}

// ask notes the extras that r asks for, and reports whether one is new.
func (im *image) ask(r requirements.Requirement) bool {
	grown := false
	for _, e := range r.Extras {
		if !slices.Contains(im.extras[r.Name], string(e)) {
			im.extras[r.Name] = append(im.extras[r.Name], string(e))
			grown = true
		}
	}
	return grown
}

// applies reports whether a requirement of d is one in this image: without
// extras, or under an extra of d that somebody asks for.
func (im *image) applies(d Distribution, r requirements.Requirement) (bool, error) {
	return r.Marker.Eval(im.env, append([]string{""}, im.extras[d.Name]...)...)
}

// spreadExtras follows extras until none is new: a[x] may ask for b[y].
func (im *image) spreadExtras() {
	for grown := true; grown; {
		grown = false
		for _, name := range im.names {
			d := im.found[name]
			for _, r := range d.Requires {
				if len(r.Extras) == 0 {
					continue
				}
				if ok, err := im.applies(d, r); ok && err == nil && im.ask(r) {
					grown = true
				}
			}
		}
	}
}

func (im *image) judge(d Distribution) []Fault {
	var faults []Fault
	if !d.RequiresPython.ContainsText(im.env.PythonFullVersion) {
		faults = append(faults, Fault{
			Code: CodePython, Distribution: d.Name, Requirement: "python" + d.RequiresPython.String(), Name: d.Name,
			Message: fmt.Sprintf("%s requires Python %s, but the image has %s", d.origin(), d.RequiresPython, im.env.PythonFullVersion),
		})
	}
	for _, r := range d.Requires {
		ok, err := im.applies(d, r)
		if err != nil {
			faults = append(faults, markerFault(d, r, err))
			continue
		}
		if ok {
			faults = append(faults, im.require(d, r)...)
		}
	}
	return faults
}

func (im *image) require(d Distribution, r requirements.Requirement) []Fault {
	f := Fault{Distribution: d.Name, Requirement: r.String(), Name: r.Name}
	have, ok := im.found[r.Name]
	switch {
	case !ok:
		f.Code = CodeMissing
		f.Message = fmt.Sprintf("%s requires %s, which is missing in the image", d.origin(), excerpt.Of(r.String()))
	case r.URL == "" && !r.Specifiers.Contains(have.Version):
		f.Code = CodeConflict
		f.Message = fmt.Sprintf("%s requires %s, but the image has %s", d.origin(), excerpt.Of(r.String()), have.origin())
		f.Pin = Pin(have.Version)
	default:
		return nil
	}
	return []Fault{f}
}

// Constraints is the text of a constraints file that holds each distribution of
// set at its version, sorted, as PIP_CONSTRAINT and UV_CONSTRAINT take it. A
// local label is kept, so that no other build of the version can take its place.
func Constraints(set []Distribution) string {
	sorted := slices.SortedFunc(slices.Values(set), func(a, b Distribution) int { return cmp.Compare(a.Name, b.Name) })
	var text strings.Builder
	for i, d := range sorted {
		if i == 0 || d.Name != sorted[i-1].Name {
			fmt.Fprintf(&text, "%s==%s\n", d.Name, d.Version)
		}
	}
	return text.String()
}
