// Package gate judges the GPU code of a product by what its recipe demands.
//
// Binaries reads a wheel's binaries, or finds in the store what it read before;
// Check, which reads nothing, holds them against the recipe.
package gate

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Distribution is what a wheel or package of a product brings.
type Distribution struct {
	Name  string // normalised
	Found inspect.Found
	Own   *recipe.GPU // of the wheel or build that made it; nil for none
}

// Judged is what the gate says of a product, for build.json.
type Judged struct {
	GPU    string `json:"gpu"`              // compute capability
	Driver string `json:"driver,omitempty"` // CUDA version of its driver
	// Binaries are those with GPU code, in the order of the distributions.
	Binaries []Binary `json:"binaries"`
	// Unused are exceptions that excused nothing.
	Unused []string `json:"unused_exceptions,omitempty"`
}

// Binary is the verdict on one file, as it is without any exception.
type Binary struct {
	Distribution string       `json:"distribution"`
	Path         string       `json:"path"`
	Verdict      cuda.Verdict `json:"verdict"`
	Reason       string       `json:"reason"`
}

// Error lists the GPU code that falls short of what the recipe requires.
type Error struct {
	GPU     string
	Require cuda.Verdict
	Refused []inspect.Refusal
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "judging the GPU code for %s: worse than the recipe requires (%s): %s", e.GPU, e.Require, host.Count(len(e.Refused), "file"))
	for _, r := range e.Refused {
		fmt.Fprintf(&b, "\n  %s", r)
	}
	b.WriteString("\nbuild it for this GPU, or excuse what is never called there, with a reason:\n  [gpu]\n  except = { ")
	b.WriteString(exception(e.Refused[0]))
	b.WriteString(" = \"...\" }")
	return b.String()
}

// exception is a key of gpu.except that covers a refusal and no more.
func exception(r inspect.Refusal) string {
	key := r.Distribution + ":" + r.Path
	if len(r.Names) == 1 {
		key += "#" + r.Names[0]
	}
	return fmt.Sprintf("%q", key)
}

// Check judges a product by the tables of its recipe. Driver is the lock's. What
// falls short is an *Error, beside all that was judged; a recipe that demands
// nothing is judged none the less.
func Check(r *recipe.Recipe, driver string, all []Distribution) (Judged, error) {
	j := Judged{Driver: driver, Binaries: []Binary{}}
	gpu, err := cuda.ParseGPU(r.Target.GPUArch)
	if err != nil {
		return j, fmt.Errorf("target.gpu-arch: %w", err)
	}
	j.GPU = gpu.String()
	target := cuda.Target{GPU: gpu}
	if driver != "" {
		if target.Driver, err = cuda.ParseVersion(driver); err != nil {
			return j, fmt.Errorf("the lock's driver: %w", err)
		}
	}
	var refused Error
	unused := newExceptions(r)
	for _, d := range all {
		judged, _ := inspect.JudgeAll(d.Found.Files, target)
		for _, b := range judged {
			j.Binaries = append(j.Binaries, Binary{d.Name, b.Path, b.Verdict, b.Reason})
		}
		gate := r.Gate(d.Own)
		if gate == nil {
			continue
		}
		p := inspect.Policy{Target: target, Require: gate.Require, Except: gate.Except}
		if d.Own != nil && d.Own.Driver != (cuda.Version{}) {
			p.Target.Driver = d.Own.Driver
		}
		short, used := p.Check(d.Name, d.Found)
		refused.Refused = append(refused.Refused, short...)
		refused.Require = gate.Require
		for i := range used {
			unused.use(gate.Except[i])
		}
	}
	j.Unused = unused.left()
	if len(refused.Refused) > 0 {
		refused.GPU = j.GPU
		return j, &refused
	}
	return j, nil
}

// exceptions are those of a recipe, and which of them excused something.
type exceptions struct {
	all  []inspect.Exception
	used map[inspect.Exception]bool
}

func newExceptions(r *recipe.Recipe) exceptions {
	return exceptions{all: r.Exceptions(), used: map[inspect.Exception]bool{}}
}

func (x exceptions) use(e inspect.Exception) { x.used[e] = true }

func (x exceptions) left() (list []string) {
	for _, e := range x.all {
		if !x.used[e] {
			list = append(list, e.Distribution+":"+e.Glob)
		}
	}
	return list
}
