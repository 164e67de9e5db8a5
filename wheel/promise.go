package wheel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// promises are the newest versions of libstdc++'s symbols that a system with a
// glibc 2.MINOR has at least, by pypa/auditwheel's policies; each holds up to
// the next.
var promises = [...]struct {
	minor           int
	glibcxx, cxxabi string
}{
	{5, "3.4.8", "1.3.1"},
	{12, "3.4.13", "1.3.3"},
	{17, "3.4.19", "1.3.7"},
	{24, "3.4.22", "1.3.10"},
	{26, "3.4.24", "1.3.11"},
	{31, "3.4.28", "1.3.12"},
	{34, "3.4.29", "1.3.13"},
	{35, "3.4.30", "1.3.13"},
	{39, "3.4.33", "1.3.15"},
}

// PromiseFaults are symbol versions that the wheel's binaries need and that the
// oldest of its manylinux tags does not promise: a system that fits the tag may
// not load them. Versions of a library that the wheel itself has are its own
// business. Whether a given base has them is another question: a wheel that
// lies about its tag may still run there.
func (r *Reader) PromiseFaults(found inspect.Found) (list []Fault) {
	minor, ok := r.glibc()
	if !ok {
		return nil
	}
	own := map[string]bool{}
	for _, b := range found.Files {
		own[b.SONAME] = true
	}
	most := map[string]string{"GLIBC": fmt.Sprintf("2.%d", minor)}
	// Distributions for aarch64 with glibc 2.17 have the symbols of 2.18.
	if machines, _ := r.machines(); minor == 17 && slices.Contains(machines, "aarch64") {
		most["GLIBC"] = "2.18"
	}
	for _, p := range promises {
		if minor >= p.minor {
			most["GLIBCXX"], most["CXXABI"] = p.glibcxx, p.cxxabi
		}
	}
	for _, b := range found.Files {
		if !b.Loaded() {
			continue
		}
		b := *b
		b.Versions = slices.DeleteFunc(slices.Clone(b.Versions), func(v inspect.NeededVersions) bool { return own[v.Library] })
		for _, prefix := range []string{"GLIBC", "GLIBCXX", "CXXABI"} {
			if need := b.Newest(prefix); most[prefix] != "" && inspect.VersionLess(most[prefix], need) {
				list = append(list, Fault{
					"symbol-version", b.Path,
					fmt.Sprintf("it needs %s_%s, but the tag promises glibc 2.%d, which comes with %[1]s_%[4]s", prefix, need, minor, most[prefix]),
				})
			}
		}
	}
	return list
}

// glibc is the minor number of the oldest glibc that the tags promise; ok is
// false where they promise none, as linux_aarch64 does.
func (r *Reader) glibc() (oldest int, ok bool) {
	for _, t := range r.Filename.Tags {
		minor, manylinux := glibcOf(t.Platform)
		if manylinux && (!ok || minor < oldest) {
			oldest, ok = minor, true
		}
	}
	return oldest, ok
}

func glibcOf(platform string) (minor int, ok bool) {
	for m, name := range legacy {
		if strings.HasPrefix(platform, name+"_") {
			return m, true
		}
	}
	rest, ok := strings.CutPrefix(platform, "manylinux_2_")
	digits, _, _ := strings.Cut(rest, "_")
	minor, err := strconv.Atoi(digits)
	return minor, ok && err == nil
}
