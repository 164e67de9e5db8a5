package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// checkProvided looks at the distributions that packages provide.
func (r *Recipe) checkProvided() []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(r.Runtime.Provided)) {
		bad := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("runtime.provided: %s: "+format, append([]any{name}, args...)...))
		}
		if normal := string(requirements.Normalize(name)); normal != name {
			bad("write the distribution as %s", normal)
		}
		if pkg := r.Runtime.Provided[name]; strings.Contains(pkg, "=") || !packageRE.MatchString(pkg) {
			bad("%q is not the name of a Debian package", pkg)
		}
		if slices.Contains(r.Runtime.Excludes, name) {
			bad("it is among runtime.excludes too, and then nothing stands in its place")
		}
		if slices.ContainsFunc(r.Wheels, func(w Wheel) bool { return string(requirements.Normalize(w.Distribution)) == name }) {
			bad("a [[wheel]] builds it")
		}
		if r.Runtime.Empty() {
			bad("there is no runtime set that would have it")
		}
	}
	return faults
}
