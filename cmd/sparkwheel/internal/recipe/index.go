package recipe

import (
	"fmt"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// Index is a further Python index, for the distributions that it names: they are
// taken from there and nowhere else, all others from the user's own.
type Index struct {
	Name          string // UV_INDEX_<NAME>_USERNAME and _PASSWORD open it
	URL           string // of its simple API
	Distributions []string
}

type indexShape struct {
	Name          string   `toml:"name"`
	URL           string   `toml:"url"`
	Distributions []string `toml:"distributions" merge:"add"`
}

// LockedIndex says which distributions of the lock came from an index.
type LockedIndex struct {
	Name          string   `toml:"name"`
	URL           string   `toml:"url"`
	Distributions []string `toml:"distributions"`
}

func (r *Recipe) checkIndexes() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	names, owners := map[string]bool{}, map[requirements.Name]string{}
	for _, x := range r.Indexes {
		where := fmt.Sprintf("index %q", x.Name)
		if !nameRE.MatchString(x.Name) {
			bad("%s: an index's name consists of lower-case letters, digits and dashes", where)
		}
		if names[x.Name] {
			bad("%s occurs twice", where)
		}
		names[x.Name] = true
		if err := checkURL(x.URL); err != nil {
			bad("%s: %w", where, err)
		}
		if len(x.Distributions) == 0 {
			bad("%s: distributions are missing: list what is downloaded from it", where)
		}
		for _, d := range x.Distributions {
			name := requirements.Normalize(d)
			if name == "" {
				bad("%s: %q is not the name of a distribution", where, d)
			}
			if other, ok := owners[name]; ok {
				bad("%s: %s is taken from index %q", where, d, other)
			}
			owners[name] = x.Name
		}
	}
	return faults
}
