package recipe

import "slices"

// Lacking says what of the targets, or of all for nil, cannot be built yet: a
// line each of its name and what is missing. What a build installs for others,
// and trees among inputs, are needed by those.
func (r *Recipe) Lacking(targets []string) (lines []string) {
	for _, b := range r.Builds {
		if b.Missing != "" && r.needs(targets, b) {
			lines = append(lines, b.Name+": "+b.Missing)
		}
	}
	for _, w := range r.Wheels {
		if w.Missing != "" && (targets == nil || slices.Contains(targets, w.Name)) {
			lines = append(lines, w.Name+": "+w.Missing)
		}
	}
	return lines
}

func (r *Recipe) needs(targets []string, b Build) bool {
	if targets == nil || slices.Contains(targets, b.Name) || b.Installs("build") {
		return true
	}
	for _, w := range r.Wheels {
		if _, ok := w.Inputs[b.Name]; ok && slices.Contains(targets, w.Name) {
			return true
		}
	}
	for _, other := range r.Builds {
		if _, ok := other.Inputs[b.Name]; ok && other.Name != b.Name && r.needs(targets, other) {
			return true
		}
	}
	return false
}

// Free are the wheels and builds that can be built.
func (r *Recipe) Free() (names []string) {
	for _, b := range r.Builds {
		names = append(names, b.Name)
	}
	for _, w := range r.Wheels {
		names = append(names, w.Name)
	}
	return slices.DeleteFunc(names, func(name string) bool { return len(r.Lacking([]string{name})) > 0 })
}
