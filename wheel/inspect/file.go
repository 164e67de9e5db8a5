package inspect

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Kind is what a file is.
type Kind uint8

// The kinds of files that a Scanner reads.
const (
	Library    Kind = iota + 1 // a shared object, or an executable that may be loaded anywhere
	Executable                 // one with a fixed address
	Object                     // not linked yet; may lie in an archive
	Cubin                      // GPU code alone, an ELF file of its own
	Fatbin                     // fatbin containers alone
	OtherELF                   // such as a core dump
)

var kinds = [...]string{"", "library", "executable", "object", "cubin", "fatbin", "elf"}

func (k Kind) String() string { return kinds[k] }

// MarshalText gives the kind's word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the kind's word.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kinds[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a kind of file", text)
	}
	*k = Kind(i)
	return nil
}

// File is what one binary says of itself.
type File struct {
	// Path is the name that the Scanner was given; that of an archive's member
	// is "lib.a(member.o)".
	Path string
	Kind Kind
	Size int64

	// Machine is what it runs on, as uname -m names it where Linux does:
	// "aarch64", "x86_64"; "cuda" for a Cubin. Empty for a Fatbin.
	Machine string
	// Bits is 64 or 32. Of what is not 64 bits little-endian, machine, kind and
	// containers are read and nothing else.
	Bits      int
	BigEndian bool

	// Interpreter is the loader that an executable asks for.
	Interpreter string
	SONAME      string
	// Needed are the SONAMEs of DT_NEEDED in the order of the loader.
	Needed []string
	// RPath and RunPath are the directories of DT_RPATH and DT_RUNPATH, as they
	// are written ($ORIGIN stays).
	RPath, RunPath []string
	// Versions are the symbol versions that it needs, by the library that is to
	// have them, in the order of the file.
	Versions []NeededVersions
	// BuildID is the GNU build id in hexadecimal.
	BuildID string
	// Align is the least alignment of a loadable segment in bytes: on machines
	// whose pages are larger it cannot be loaded.
	Align int64
	// Misaligned says that a segment's address and offset do not agree with its
	// alignment, as after a strip of what patchelf changed: loaders refuse it.
	Misaligned bool

	// Containers are the fatbins in it, in the order of the file. A Cubin has one
	// of one entry.
	Containers []cuda.Container

	// Symbols are those of the dynamic symbol table, when the Scanner was to read them.
	Symbols []Symbol
}

// NeededVersions are the versions of symbols that a file needs of one library.
type NeededVersions struct {
	Library  string   // "libc.so.6"
	Versions []string // "GLIBC_2.17"
}

// Newest is the highest version with the given prefix that the file needs of any
// library: Newest("GLIBC") is "2.34". It is empty where there is none.
func (f *File) Newest(prefix string) string {
	best := ""
	for _, n := range f.Versions {
		for _, v := range n.Versions {
			number, ok := strings.CutPrefix(v, prefix+"_")
			if ok && number != "" && number[0] >= '0' && number[0] <= '9' && (best == "" || VersionLess(best, number)) {
				best = number
			}
		}
	}
	return best
}

// Warnings are what is wrong with the file on machines that are not the common
// ones, in a person's words.
func (f *File) Warnings() (list []string) {
	const page = 64 << 10 // of some kernels for aarch64
	if f.Misaligned {
		list = append(list, "a segment's address and offset do not agree with its alignment: the loader refuses it")
	}
	if f.Machine == "aarch64" && f.Loaded() && f.Align > 0 && f.Align < page {
		list = append(list, fmt.Sprintf("its segments are aligned to %d KiB: kernels with pages of 64 KiB cannot load it", f.Align>>10))
	}
	return list
}

// Loaded says whether a program loads the file as it is: libraries and
// executables, but not objects and GPU code that lies alone.
func (f *File) Loaded() bool { return f.Kind == Library || f.Kind == Executable }

// VersionLess compares dotted numbers such as 2.9 and 2.17; the empty one is the least.
func VersionLess(a, b string) bool {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if x != y {
			if len(x) != len(y) {
				return len(x) < len(y)
			}
			return x < y
		}
	}
	return a == "" && b != ""
}

// FileError says that a file could not be read: it begins as an ELF file, an
// archive or a fatbin, and is damaged.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("inspecting %s: %v", e.Path, e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

// machineName is what uname -m calls a machine, or debug/elf's name of it.
func machineName(m elf.Machine, bits int) string {
	switch m {
	case elf.EM_AARCH64:
		return "aarch64"
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_386:
		return "i686"
	case elf.EM_ARM:
		return "armv7l"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_RISCV:
		return fmt.Sprintf("riscv%d", bits)
	case elf.EM_LOONGARCH:
		return "loongarch64"
	case 190:
		return "cuda"
	}
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
}
