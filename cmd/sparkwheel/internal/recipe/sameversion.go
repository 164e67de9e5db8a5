package recipe

import (
	"fmt"
	"slices"
)

// OneVersion tells whether the recipe wants one version of two of its wheels.
func (r *Recipe) OneVersion(a, b string) bool {
	return a != b && slices.ContainsFunc(r.SameVersion, func(group []string) bool {
		return slices.Contains(group, a) && slices.Contains(group, b)
	})
}

func (r *Recipe) checkSameVersion() []error {
	var faults []error
	for _, group := range r.SameVersion {
		if len(group) < 2 {
			faults = append(faults, fmt.Errorf("same-version: %q: a group has two wheels or more", group))
		}
		for i, name := range group {
			if !slices.ContainsFunc(r.Wheels, func(w Wheel) bool { return w.Name == name }) {
				faults = append(faults, fmt.Errorf("same-version: no [[wheel]] is named %q", name))
			}
			if slices.Contains(group[:i], name) {
				faults = append(faults, fmt.Errorf("same-version: %q occurs twice in a group", name))
			}
		}
	}
	return faults
}
