package recipe

import (
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

// Rules are the rules as the requirements room takes them: drops in the recipe's
// order, then pins by name.
func (r Rewrite) Rules() rewrite.Rules {
	rules := rewrite.Rules{Files: r.Files, MustMatch: r.MustMatch}
	for _, name := range r.Drop {
		rules.Rules = append(rules.Rules, requirements.Rule{Drop: name})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Pin)) {
		rules.Rules = append(rules.Rules, requirements.Rule{Pin: requirements.Normalize(name), To: r.Pin[name]})
	}
	return rules
}
