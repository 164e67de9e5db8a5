package cuda

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict says how code gets to run on a GPU, the worst first.
type Verdict uint8

// The verdicts. NoCode is that of files without GPU code: nothing to judge.
const (
	NoCode    Verdict = iota
	None              // nothing in it loads
	PTXTooNew         // PTX that this driver refuses
	ByPTX             // PTX: the driver compiles it at the first use
	Family            // machine code of another GPU of the family
	Native            // machine code for this very GPU
)

var verdictNames = [...]string{"", "none", "ptx-too-new", "ptx", "family", "native"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText gives the verdict's word; that of NoCode is empty.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// ParseRequirement reads the least verdict that is good enough: native, family
// or ptx.
func ParseRequirement(s string) (Verdict, error) {
	for _, v := range []Verdict{Native, Family, ByPTX} {
		if s == v.String() {
			return v, nil
		}
	}
	return NoCode, fmt.Errorf("%q is not native, family or ptx", s)
}

// Target is what code is to run on.
type Target struct {
	GPU GPU
	// Driver is the CUDA version of the driver there, as nvidia-smi shows it;
	// zero when it is not known, and then no PTX is too new.
	Driver Version
}

// Judge says how one entry gets to run on the target, by the compatibility
// rules of the CUDA programming guide.
func (t Target) Judge(e Entry) Verdict {
	switch e.Kind {
	case SASS:
		return t.GPU.sass(e.Arch)
	case PTX:
		if !t.GPU.compiles(e.Arch) {
			return None
		}
		if t.Driver != (Version{}) && t.Driver.PTX().Less(e.PTX) {
			return PTXTooNew
		}
		return ByPTX
	}
	return None
}

// sass says whether machine code runs: plain code on its capability and higher
// minor ones of the same major; "f" code likewise within its family; "a" code on
// exactly its own.
func (g GPU) sass(a Arch) Verdict {
	switch {
	case a.Capability == g.capability():
		return Native
	case a.Suffix == 'a' || a.Capability > g.capability() || !g.family(a):
		return None
	}
	return Family
}

// compiles says whether the driver compiles PTX for the GPU: plain PTX of every
// capability up to its own.
func (g GPU) compiles(a Arch) bool {
	switch a.Suffix {
	case 'a':
		return a.Capability == g.capability()
	case 'f':
		return a.Capability <= g.capability() && g.family(a)
	}
	return a.Capability <= g.capability()
}

// family says whether machine code for a runs on a GPU whose capability is not
// lower. The chips of Jetson boards stand apart from the others of their
// major number (CUDA programming guide, binary compatibility).
func (g GPU) family(a Arch) bool {
	return a.Capability/10 == g.Major && !jetson(a.Capability) && !jetson(g.capability())
}

func jetson(capability int) bool {
	return slices.Contains([]int{53, 62, 72, 87, 101}, capability)
}

// Judged is what a target makes of a container: its best entry.
type Judged struct {
	Verdict Verdict
	// Best is the entry that the driver would take; for None and NoCode it is zero.
	Best Entry
}

// JudgeContainer takes the container's best entry, as the driver does. A
// container without a kernel, or one that has to be linked first, is NoCode.
func (t Target) JudgeContainer(c Container) Judged {
	if c.Empty() || c.Linkable() {
		return Judged{}
	}
	j := Judged{Verdict: None}
	for _, e := range c.Entries {
		if e.Kernels == 0 {
			continue
		}
		if v := t.Judge(e); v > j.Verdict || v == j.Verdict && v != None && j.Best.Arch.Capability < e.Arch.Capability {
			j = Judged{v, e}
		}
	}
	return j
}

// Explain says in a person's words why a container has its verdict.
func (t Target) Explain(c Container) string {
	j := t.JudgeContainer(c)
	switch j.Verdict {
	case NoCode:
		return "no kernel that a driver would load"
	case Native:
		return fmt.Sprintf("%s code is for exactly this GPU", j.Best.Name())
	case Family:
		return fmt.Sprintf("%s code runs on every GPU of its family from %s on", j.Best.Name(), GPU{j.Best.Arch.Capability / 10, j.Best.Arch.Capability % 10})
	case ByPTX:
		return fmt.Sprintf("no machine code for it; the driver compiles %s PTX on first use", j.Best.Name())
	case PTXTooNew:
		return fmt.Sprintf("only PTX %s could run, but it needs a driver for CUDA %s, and this one has CUDA %s", j.Best.PTX, j.Best.PTX.CUDA(), t.Driver)
	}
	return "cannot run here (" + t.why(c) + ")"
}

// why names the entries that do not run, and what each would run on.
func (t Target) why(c Container) string {
	var parts []string
	for _, e := range c.Entries {
		part := e.Name()
		switch {
		case e.Kernels == 0:
			continue
		case e.Kind == LTO:
			part += " has to be linked first"
		case e.Kind == Unknown:
			part += " is of an unknown kind"
		case e.Arch.Suffix == 'a':
			part += fmt.Sprintf(" is for %s only", GPU{e.Arch.Capability / 10, e.Arch.Capability % 10})
		case e.Arch.Capability > t.GPU.capability():
			part += " is for newer GPUs"
		case e.Arch.Suffix == 'f':
			part += " is for another family"
		default:
			part += fmt.Sprintf(" is for GPUs %d.x", e.Arch.Capability/10)
		}
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) > 4 {
		parts = append(parts[:4], fmt.Sprintf("and %d more", len(parts)-4))
	}
	return strings.Join(parts, ", ")
}
