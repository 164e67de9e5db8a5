package sources

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
)

// Target is what a recipe's texts may name of the machine that is built for.
type Target struct {
	Machine string // as CMake calls it: aarch64
	GPUArch string // 12.1a, "" for none
}

// Values are what a recipe's texts may name of a locked source and the target.
func Values(l recipe.LockedSource, t Target) recipe.Values {
	return recipe.Values{Version: l.Version, Commit: l.Commit, Ref: l.Ref, Time: l.Time, Machine: t.Machine, GPUArch: t.GPUArch}
}

// Files are the files that the recipe writes into a source's tree, by path.
func Files(src recipe.Source, l recipe.LockedSource, t Target) map[string]string {
	out := map[string]string{}
	for name, text := range src.Files {
		out[name] = recipe.Expand(text, Values(l, t))
	}
	return out
}
