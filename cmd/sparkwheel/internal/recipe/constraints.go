package recipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// constraintLines are the requirement lines of the key constraints: a list of
// them, or a table of names and specifiers.
func constraintLines(value any) ([]string, error) {
	wrong := errors.New("it is neither a list of requirements nor a table of names and versions, such as torch = \"==2.11.0\"")
	var lines []string
	switch value := value.(type) {
	case nil:
	case []any:
		for _, v := range value {
			line, ok := v.(string)
			if !ok {
				return nil, wrong
			}
			lines = append(lines, line)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			spec, ok := value[name].(string)
			if !ok {
				return nil, wrong
			}
			lines = append(lines, name+spec)
		}
	default:
		return nil, wrong
	}
	return lines, nil
}

// checkConstraints looks at constraints and abi.
func (r *Recipe) checkConstraints() (faults []error) {
	for _, line := range r.Constraints {
		req, err := requirements.ParseRequirement(line)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("constraints: %q: %w", line, err))
		case len(req.Extras) > 0 || req.URL != "":
			faults = append(faults, fmt.Errorf("constraints: %q: a constraint has a name and versions, and neither extras nor a URL", line))
		}
	}
	for _, name := range r.ABI {
		if !distributionRE.MatchString(name) {
			faults = append(faults, fmt.Errorf("abi.distributions: %q is not a distribution's name", name))
		}
	}
	return faults
}

// Binary are the distributions that a build must have at the runtime's version:
// the recipe's, else those whose ABI compiled extensions are known to use.
func (r *Recipe) Binary() (names []requirements.Name) {
	list := r.ABI
	if list == nil {
		list = []string{"torch", "numpy", "apache-tvm-ffi"}
	}
	for _, name := range list {
		names = append(names, requirements.Normalize(name))
	}
	return names
}
