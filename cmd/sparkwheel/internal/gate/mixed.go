package gate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// forMajor is how distributions for one CUDA major are named: nixl-cu13.
var forMajor = regexp.MustCompile(`^(.+)-cu(1[0-9])$`)

// Mixed says where a set of distributions mixes CUDA versions: two majors of
// one thing, code for another major than the target's, and parts of the toolkit
// of several minors. target is the recipe's CUDA version, empty where it has none.
func Mixed(set []truth.Distribution, target string) (notes []string) {
	want, _, _ := strings.Cut(target, ".")
	majors := map[string]map[string]string{} // stem -> major -> distribution
	for _, d := range set {
		if m := forMajor.FindStringSubmatch(string(d.Name)); m != nil {
			if majors[m[1]] == nil {
				majors[m[1]] = map[string]string{}
			}
			majors[m[1]][m[2]] = fmt.Sprintf("%s %s", d.Name, d.Version)
		}
	}
	for _, stem := range slices.Sorted(maps.Keys(majors)) {
		have := majors[stem]
		names := slices.Sorted(maps.Values(have))
		fits, ok := have[want]
		switch {
		case len(have) > 1 && ok:
			notes = append(notes, fmt.Sprintf("%s are one thing for different CUDA majors; %s fits CUDA %s", strings.Join(names, " and "), fits, target))
		case len(have) > 1:
			notes = append(notes, fmt.Sprintf("%s are one thing for different CUDA majors", strings.Join(names, " and ")))
		case want != "" && !ok:
			notes = append(notes, fmt.Sprintf("%s is for another CUDA major than the target's %s", names[0], target))
		}
	}
	if note := mixedMinors(set); note != "" {
		notes = append(notes, note)
	}
	return notes
}

// mixedMinors compares the parts of NVIDIA's toolkit, whose versions are those
// of the toolkit that they belong to.
func mixedMinors(set []truth.Distribution) string {
	minors := map[cuda.Version][]string{}
	for _, d := range set {
		name := string(d.Name)
		if !strings.HasPrefix(name, "nvidia-cuda-") && !strings.HasPrefix(name, "cuda-") || forMajor.MatchString(name) {
			continue
		}
		parts := strings.SplitN(d.Version.String(), ".", 3)
		if len(parts) < 3 {
			continue
		}
		major, err1 := strconv.Atoi(parts[0])
		minor, err2 := strconv.Atoi(parts[1])
		// Others have numbers of their own, such as cuda-pathfinder 1.3.
		if err1 != nil || err2 != nil || major < 11 {
			continue
		}
		v := cuda.Version{Major: major, Minor: minor}
		minors[v] = append(minors[v], fmt.Sprintf("%s %s", name, d.Version))
	}
	if len(minors) < 2 {
		return ""
	}
	var groups []string
	order := slices.SortedFunc(maps.Keys(minors), func(a, b cuda.Version) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	for _, v := range order {
		slices.Sort(minors[v])
		groups = append(groups, fmt.Sprintf("%s (%s)", v, strings.Join(minors[v], ", ")))
	}
	newest := order[len(order)-1]
	return fmt.Sprintf("the toolkit's parts are of CUDA %s; PTX that the newest of them makes needs a driver for CUDA %s", strings.Join(groups, " and "), newest)
}
