package recipe

import (
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

// Gate is what holds for the wheel of that distribution: its own table where
// there is one, key by key, else the recipe's. It is nil where nothing is demanded.
func (r *Recipe) Gate(distribution string) *GPU {
	gate := GPU{}
	if r.GPU != nil {
		gate = *r.GPU
	}
	for _, w := range r.Wheels {
		if w.GPU == nil || w.Distribution != distribution {
			continue
		}
		if w.GPU.Require != cuda.NoCode {
			gate.Require = w.GPU.Require
		}
		if w.GPU.Driver != (cuda.Version{}) {
			gate.Driver = w.GPU.Driver
		}
		if w.GPU.Except != nil {
			gate.Except = w.GPU.Except
		}
	}
	if gate.Require == cuda.NoCode {
		return nil
	}
	return &gate
}

// Gated says whether the GPU code of any wheel is judged.
func (r *Recipe) Gated() bool {
	return r.GPU != nil && r.GPU.Require != cuda.NoCode ||
		slices.ContainsFunc(r.Wheels, func(w Wheel) bool { return w.GPU != nil && w.GPU.Require != cuda.NoCode })
}

func (r *Recipe) checkGPU() (faults []error) {
	if r.GPU != nil && r.GPU.fault != nil {
		faults = append(faults, r.GPU.fault)
	}
	for _, w := range r.Wheels {
		if w.GPU != nil && w.GPU.fault != nil {
			faults = append(faults, fmt.Errorf("wheel %q: %w", w.Name, w.GPU.fault))
		}
	}
	if !r.Gated() {
		return faults
	}
	if r.Target.GPUArch == "" {
		return append(faults, errors.New("gpu.require: target.gpu-arch is missing: name the GPU, such as 12.1"))
	}
	if _, err := cuda.ParseGPU(r.Target.GPUArch); err != nil {
		faults = append(faults, fmt.Errorf("target.gpu-arch: %w", err))
	}
	return faults
}
