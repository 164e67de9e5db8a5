package image

import (
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Strictness says how strictly an image's metadata is judged.
type Strictness struct {
	Allow    []string // names of required distributions whose faults are accepted
	Complete bool     // what is required and absent is a fault
	// NoReplace refuses a wheel whose distribution the base has.
	NoReplace bool
	// Shadow are distributions that may stand beside one of a Debian package, as
	// those that Allow names may.
	Shadow []string
}

// Judge looks at what wheels and base together say that they require, before
// anything is written. It returns the judgement for the record.
func (s Strictness) Judge(b *base.Base, in Inspected, r *stage.Run) (truth.Judgement, error) {
	installed, err := b.Installed(in.Verdict.Hides)
	if err != nil {
		return truth.Judgement{}, err
	}
	opt := truth.Options{Complete: s.Complete}
	for _, name := range s.Allow {
		opt.Allow = append(opt.Allow, requirements.Normalize(name))
	}
	j := truth.Image(slices.Concat(in.Wheels, installed), b.Python.Environment(), opt)
	// What the base says against itself was so before, and is not for this build
	// to mend.
	before := truth.Image(installed, b.Python.Environment(), opt)
	j.Faults, j.Warnings = without(j.Faults, before.Faults), without(j.Warnings, before.Warnings)
	if missing := Distributions(j.Warnings); len(missing) > 0 {
		r.Note("%s missing in the image: %s", host.Count(len(missing), "required distribution"), strings.Join(missing, ", "))
	}
	for _, f := range j.Allowed {
		r.Note("allowed: %s", f.Message)
	}
	for _, name := range j.Unneeded {
		if slices.ContainsFunc(in.Verdict.Shadowed, func(r fit.Replaced) bool { return r.Name == name }) {
			continue
		}
		r.Note("--allow %s had no effect", name)
	}
	return j, j.Err("the image")
}

func without(faults, known []truth.Fault) []truth.Fault {
	return slices.DeleteFunc(faults, func(f truth.Fault) bool { return slices.Contains(known, f) })
}

// Distributions are the distributions that faults are about, each once, sorted.
func Distributions(faults []truth.Fault) []string {
	var list []string
	for _, f := range faults {
		list = append(list, string(f.Name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
