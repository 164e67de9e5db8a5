package wheel

import (
	"slices"
	"strings"
)

// compareTags holds the tags of WHEEL against those of the file name. Wheels
// that are renamed for another policy of their platform (linux_aarch64 to
// manylinux_2_28_aarch64) are common and installable: a warning. Another
// interpreter, ABI or machine is a fault.
func (r *Reader) compareTags(path string, f *faults) {
	warn := func(message string) {
		r.warnings = append(r.warnings, Fault{"tag-mismatch", path, message})
	}
	if len(r.Info.Tags) == 0 {
		warn("WHEEL has no Tag")
		return
	}
	renamed := ""
	compare := func(have, in []Tag, message string) {
		for _, t := range have {
			if slices.Contains(in, t) {
				continue
			}
			if !slices.ContainsFunc(in, t.renames) {
				f.add("tag-mismatch", path, strings.Replace(message, "%", t.String(), 1))
				return
			}
			renamed = strings.Replace(message, "%", t.String(), 1)
		}
	}
	compare(r.Filename.Tags, r.Info.Tags, "the file name says %, which is not a Tag in WHEEL")
	compare(r.Info.Tags, r.Filename.Tags, "WHEEL says %, which the file name does not")
	if renamed != "" {
		warn(renamed)
	}
}

// renames says whether t and other differ in no more than their platform's
// policy.
func (t Tag) renames(other Tag) bool {
	if t.Python != other.Python || t.ABI != other.ABI {
		return false
	}
	if !isLinux(t.Platform) || !isLinux(other.Platform) {
		return t.Platform == other.Platform
	}
	a, b := machine(t.Platform), machine(other.Platform)
	return a == b || a == "" || b == ""
}

func isLinux(platform string) bool {
	return strings.HasPrefix(platform, "linux_") || strings.HasPrefix(platform, "manylinux") || strings.HasPrefix(platform, "musllinux")
}

// machine is the processor that a Linux platform tag names, "" for one that is
// not known here: NVIDIA's wheels have said sbsa for aarch64.
func machine(platform string) string {
	for _, m := range []string{"x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"} {
		if strings.HasSuffix(platform, "_"+m) {
			return m
		}
	}
	return ""
}
