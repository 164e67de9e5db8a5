package sources

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
)

// Values are what a recipe's texts may name of a locked source.
func Values(l recipe.LockedSource) recipe.Values {
	return recipe.Values{Version: l.Version, Commit: l.Commit, Short: l.Commit[:8]}
}

// Files are the files that the recipe writes into a source's tree, by path.
func Files(src recipe.Source, l recipe.LockedSource) map[string]string {
	out := map[string]string{}
	for name, text := range src.Files {
		out[name] = recipe.Expand(text, Values(l))
	}
	return out
}
