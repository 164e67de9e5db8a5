package cuda

import (
	"cmp"
	"slices"
)

// Kind is what a container's entry holds.
type Kind uint8

// The kinds of entries. Other kinds of NVIDIA's are Unknown and load nowhere.
const (
	Unknown Kind = iota
	SASS         // machine code, a cubin
	PTX          // text that the driver compiles when it is loaded
	LTO          // intermediate code for the linker; no driver loads it
)

// Compression is how an entry's content is stored.
type Compression uint8

// The compressions that NVIDIA's fatbinary writes.
const (
	Plain Compression = iota
	LZ4
	Zstd
)

func (c Compression) String() string { return [...]string{"none", "lz4", "zstd"}[c] }

// Entry is one piece of GPU code.
type Entry struct {
	Kind        Kind
	Arch        Arch
	PTX         Version // of the language, for PTX
	Compression Compression
	Debug       bool // compiled with -G
	// Size is that of the content as it is loaded, uncompressed, in bytes.
	Size int64
	// Kernels is the number of entry points; -1 where they were not counted.
	Kernels int
}

// Name is the entry's architecture as the compiler's options have it: sm_121a
// for SASS, compute_121a for PTX, lto_121a for intermediate code.
func (e Entry) Name() string {
	switch e.Kind {
	case SASS:
		return e.Arch.SM()
	case PTX:
		return e.Arch.Compute()
	case LTO:
		return "lto_" + e.Arch.number()
	}
	return "unknown_" + e.Arch.number()
}

// Container is one fatbin: the code of one compilation for several
// architectures, of which the driver loads the best. Where a program was linked
// of many objects it has as many containers.
type Container struct {
	// Section is where it lies: ".nv_fatbin", "__nv_relfatbin" for code that
	// still has to be linked, "" for bytes that no such section covers.
	Section string
	// Offset is that of its header in the file.
	Offset int64
	// Name is the source file where the compiler recorded it, else empty.
	Name    string
	Entries []Entry
}

// Linkable says that the code still has to go through NVIDIA's linker: no
// driver loads it.
func (c Container) Linkable() bool { return c.Section == "__nv_relfatbin" }

// Empty says that there is no kernel in the container for sure, as in those
// that nvcc adds when it links.
func (c Container) Empty() bool {
	return !slices.ContainsFunc(c.Entries, func(e Entry) bool { return e.Kernels != 0 })
}

// Names are the architectures of one kind that the containers have, each once,
// in ascending order.
func Names(containers []Container, kind Kind) []string {
	var archs []Arch
	for _, c := range containers {
		for _, e := range c.Entries {
			if e.Kind == kind && !slices.Contains(archs, e.Arch) {
				archs = append(archs, e.Arch)
			}
		}
	}
	slices.SortFunc(archs, func(a, b Arch) int {
		return cmp.Or(cmp.Compare(a.Capability, b.Capability), cmp.Compare(a.Suffix, b.Suffix))
	})
	names := make([]string, len(archs))
	for i, a := range archs {
		names[i] = Entry{Kind: kind, Arch: a}.Name()
	}
	return names
}
