package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// GPU says what the GPU code of wheels has to be for the target's gpu-arch.
type GPU struct {
	// Require is the least verdict that is good enough; cuda.NoCode demands nothing.
	Require cuda.Verdict
	// Except excuses some of it.
	Except []inspect.Exception
	// Driver is the CUDA version of the target's driver; zero when it is not known.
	Driver cuda.Version

	fault error // what is wrong with its table
}

// gpuShape is a [gpu] or [wheel.gpu] table.
type gpuShape struct {
	Require string            `toml:"require"`
	Except  map[string]string `toml:"except"`
	Driver  string            `toml:"driver"`
}

// gpu reads the table; distribution is whose exceptions they are, where the
// table is that of one wheel.
func (x *gpuShape) gpu(distribution string) *GPU {
	if x == nil {
		return nil
	}
	g := &GPU{}
	var faults []error
	note := func(key string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("gpu.%s: %w", key, err))
		}
	}
	var err error
	if x.Require != "" {
		g.Require, err = cuda.ParseRequirement(x.Require)
		note("require", err)
	}
	if x.Driver != "" {
		g.Driver, err = cuda.ParseVersion(x.Driver)
		note("driver", err)
	}
	for _, glob := range slices.Sorted(maps.Keys(x.Except)) {
		reason := x.Except[glob]
		if strings.TrimSpace(reason) == "" {
			note("except", fmt.Errorf("%q has no reason", glob))
		}
		if distribution != "" {
			glob = distribution + ":" + glob
		}
		e, err := inspect.ParseException(glob, reason)
		note("except", err)
		g.Except = append(g.Except, e)
	}
	g.fault = errors.Join(faults...)
	return g
}

// Gate is what holds for a wheel or package with a table of its own: that key by
// key, else the recipe's. It is nil where nothing is demanded.
func (r *Recipe) Gate(own *GPU) *GPU {
	gate := GPU{}
	if r.GPU != nil {
		gate = *r.GPU
	}
	if own != nil {
		gate.Require = cmp.Or(own.Require, gate.Require)
		gate.Driver = cmp.Or(own.Driver, gate.Driver)
		if own.Except != nil {
			gate.Except = own.Except
		}
	}
	if gate.Require == cuda.NoCode {
		return nil
	}
	return &gate
}

// tables are the [gpu] tables of the recipe, its wheels and builds, each with
// what a fault in it is called by.
func (r *Recipe) tables() map[string]*GPU {
	all := map[string]*GPU{"": r.GPU}
	for _, w := range r.Wheels {
		all[fmt.Sprintf("wheel %q: ", w.Name)] = w.GPU
	}
	for _, b := range r.Builds {
		all[fmt.Sprintf("build %q: ", b.Name)] = b.GPU
	}
	maps.DeleteFunc(all, func(_ string, g *GPU) bool { return g == nil })
	return all
}

// Exceptions are those of all tables.
func (r *Recipe) Exceptions() (all []inspect.Exception) {
	tables := r.tables()
	for _, where := range slices.Sorted(maps.Keys(tables)) {
		all = append(all, tables[where].Except...)
	}
	return all
}

// Gated says whether GPU code is judged at all.
func (r *Recipe) Gated() bool {
	for _, g := range r.tables() {
		if g.Require != cuda.NoCode {
			return true
		}
	}
	return false
}

func (r *Recipe) checkGPU() (faults []error) {
	tables := r.tables()
	for _, where := range slices.Sorted(maps.Keys(tables)) {
		if err := tables[where].fault; err != nil {
			faults = append(faults, fmt.Errorf("%s%w", where, err))
		}
	}
	if !r.Gated() {
		return faults
	}
	if r.Target.GPUArch == "" {
		return append(faults, errors.New("gpu.require: target.gpu-arch is missing: give the GPU's compute capability, such as 12.1"))
	}
	if _, err := cuda.ParseGPU(r.Target.GPUArch); err != nil {
		faults = append(faults, fmt.Errorf("target.gpu-arch: %w", err))
	}
	return faults
}
