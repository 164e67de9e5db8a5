package forecast

import (
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Entries is the GPU code that an nvcc with these arguments puts into its
// object, in the order of the arguments; toolkit is the compiler's version,
// which is the version of the PTX that it writes. Without an architecture among
// the arguments it is nvcc's default. It is nil where the arguments leave the
// choice to the machine that compiles (-arch=native, all).
//
// The source is "Options for Steering GPU Code Generation" in NVIDIA's manual of nvcc.
func Entries(args []string, toolkit cuda.Version) []cuda.Entry {
	r := reading{toolkit: toolkit}
	for i, a := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		r.option(a, next)
	}
	return r.entries()
}

// Architectures are the names of Entries, sorted, each once: "sm_121a",
// "compute_121a". They are empty where args name none.
func Architectures(args []string) []string {
	r := reading{}
	for i, a := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		r.option(a, next)
	}
	if len(r.code) == 0 && r.arch == "" {
		return nil
	}
	var names []string
	for _, e := range r.entries() {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reading gathers the options of one command line.
type reading struct {
	toolkit cuda.Version
	arch    string       // -arch
	codes   []string     // -code
	code    []cuda.Entry // of -gencode
	unknown bool
}

func (r *reading) option(option, next string) {
	name, value, joined := strings.Cut(option, "=")
	if !joined {
		value = next
	}
	switch name {
	case "-arch", "--gpu-architecture":
		r.arch = strings.Trim(value, `"'`)
	case "-code", "--gpu-code":
		r.codes = append(r.codes, list(value)...)
	case "-gencode", "--generate-code":
		// arch=compute_121a,code=[compute_121a,sm_121a]: what code names is made.
		virtual, codes, ok := strings.Cut(value, "code=")
		if !ok {
			return
		}
		virtual = strings.Trim(strings.TrimPrefix(strings.Trim(virtual, `"', `), "arch="), `"', `)
		for _, c := range list(codes) {
			r.add(virtual, c)
		}
	}
}

func list(value string) []string {
	return strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(`[],"' `, c) })
}

// add notes one code that is made of a virtual architecture.
func (r *reading) add(virtual, name string) {
	e := cuda.Entry{Kind: cuda.SASS, Kernels: -1}
	switch {
	case strings.HasPrefix(name, "compute_"):
		e.Kind, e.PTX = cuda.PTX, r.toolkit.PTX()
	case strings.HasPrefix(name, "lto_"):
		e.Kind, name = cuda.LTO, "sm_"+strings.TrimPrefix(name, "lto_")
	}
	arch, err := cuda.ParseArch(name)
	if err != nil {
		r.unknown = true
		return
	}
	if from, err := cuda.ParseArch(virtual); err == nil && arch.Suffix == 0 && from.Suffix == 'f' && e.Kind == cuda.SASS {
		arch.Suffix = 'f' // so nvcc marks what it makes of a family's virtual architecture
	}
	e.Arch = arch
	r.code = append(r.code, e)
}

func (r *reading) entries() []cuda.Entry {
	switch {
	case r.arch == "native" || strings.HasPrefix(r.arch, "all"):
		r.unknown = true
	case len(r.codes) > 0:
		for _, c := range r.codes {
			r.add(r.arch, c)
		}
	case r.arch != "":
		r.real(r.arch)
	case len(r.code) == 0 && !r.unknown:
		r.real(defaultArch(r.toolkit))
	}
	if r.unknown {
		return nil
	}
	return r.code
}

// real notes what -arch alone makes: sm_121 stands for its machine code and its PTX.
func (r *reading) real(name string) {
	if n, ok := strings.CutPrefix(name, "sm_"); ok {
		r.add("", name)
		name = "compute_" + n
	}
	r.add("", name)
}

// defaultArch is what nvcc compiles for when nothing is said.
func defaultArch(toolkit cuda.Version) string {
	switch toolkit.Major {
	case 11, 12:
		return "sm_52"
	}
	return "sm_75"
}

// NVCC finds the call of nvcc in a command, behind launchers: its arguments
// from the program on. It is nil where there is none.
func NVCC(args []string) []string {
	for i, a := range args {
		if strings.HasPrefix(path.Base(a), "nvcc") && !strings.HasPrefix(a, "-") {
			return args[i:]
		}
		if strings.HasPrefix(a, "-") {
			return nil
		}
	}
	return nil
}
