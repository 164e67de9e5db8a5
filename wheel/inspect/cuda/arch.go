// Package cuda knows which GPU code runs where: architectures with their
// suffixes, what a fatbin container offers, and CUDA's rules for what of it a
// GPU and its driver load.
//
// It reads no file; wheel/inspect/fatbin does.
package cuda

import (
	"fmt"
	"strconv"
	"strings"
)

// Arch is what GPU code was compiled for: a compute capability and the suffix
// that says how far beyond it the code may run.
type Arch struct {
	// Capability is ten times the major number plus the minor: 121 for 12.1.
	Capability int
	// Suffix is 'a' for code that runs on exactly this capability, 'f' for the
	// capabilities of its family, 0 for plain code.
	Suffix byte
}

// SM is the name of the architecture's machine code: "sm_121a".
func (a Arch) SM() string { return "sm_" + a.number() }

// Compute is the name of its virtual architecture, which PTX is for:
// "compute_121a".
func (a Arch) Compute() string { return "compute_" + a.number() }

func (a Arch) number() string {
	if a.Suffix == 0 {
		return strconv.Itoa(a.Capability)
	}
	return strconv.Itoa(a.Capability) + string(a.Suffix)
}

// ParseArch reads sm_121a or compute_121f.
func ParseArch(s string) (Arch, error) {
	number, ok := strings.CutPrefix(s, "sm_")
	if !ok {
		number, ok = strings.CutPrefix(s, "compute_")
	}
	var a Arch
	if n := len(number); ok && n > 0 && (number[n-1] == 'a' || number[n-1] == 'f') {
		number, a.Suffix = number[:n-1], number[n-1]
	}
	c, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || c < 10 || number[0] == '0' {
		return Arch{}, fmt.Errorf("%q is not an architecture such as sm_121a", s)
	}
	a.Capability = int(c)
	return a, nil
}

// GPU is the compute capability of a device: 12.1 for GB10.
type GPU struct{ Major, Minor int }

// ParseGPU reads a compute capability, "12.1". It takes the suffix of an
// architecture too ("12.1a"): recipes name both by one word.
func ParseGPU(s string) (GPU, error) {
	v, err := ParseVersion(strings.TrimRight(s, "af"))
	if err != nil || v.Major == 0 || v.Minor > 9 || len(s)-len(strings.TrimRight(s, "af")) > 1 {
		return GPU{}, fmt.Errorf("%q is not a compute capability such as 12.1", s)
	}
	return GPU(v), nil
}

func (g GPU) String() string { return fmt.Sprintf("%d.%d", g.Major, g.Minor) }

func (g GPU) capability() int { return g.Major*10 + g.Minor }

// Version is a version of CUDA or of the PTX language, major and minor. The
// zero value means unknown.
type Version struct{ Major, Minor int }

// ParseVersion reads "13.0".
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.ParseUint(major, 10, 8)
	b, err2 := strconv.ParseUint(minor, 10, 8)
	if !ok || err1 != nil || err2 != nil {
		return Version{}, fmt.Errorf("%q is not a version such as 13.0", s)
	}
	return Version{int(a), int(b)}, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Less says whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// PTX is the newest version of the PTX language that a driver of the CUDA
// version v compiles, by the release notes of the PTX ISA.
func (v Version) PTX() Version {
	switch {
	case v.Major >= 13:
		return Version{v.Major - 4, v.Minor}
	case v.Major == 12 && v.Minor >= 6:
		return Version{8, v.Minor - 1} // 12.5 and 12.6 share PTX 8.5
	case v.Major >= 11:
		return Version{v.Major - 4, v.Minor}
	}
	return Version{6, 5} // of CUDA 10.2: older drivers know no GPU that wheels of today serve
}

// CUDA is the oldest CUDA version whose driver compiles the PTX version v.
func (v Version) CUDA() Version {
	if v.Major == 8 && v.Minor > 5 {
		return Version{12, v.Minor + 1}
	}
	return Version{v.Major + 4, v.Minor}
}
