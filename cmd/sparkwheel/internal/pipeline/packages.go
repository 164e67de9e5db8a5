package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// packages pins the debs that the recipe's packages need. What an earlier lock
// holds stays while the recipe asks the same of the same base.
func (s *resolving) packages(ctx context.Context, b *base.Base, run *stage.Run) (*recipe.LockedPackages, error) {
	p, before := s.recipe.Packages, s.before.Packages
	upgraded := s.upgrade.has("packages") || slices.ContainsFunc(p.Names(), s.upgrade.has) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(p.Alone)), s.upgrade.has)
	if before.Answers(p) && !upgraded && s.before.Base.Digest == b.Digest {
		run.Note("packages stay as locked; --upgrade=packages resolves them again")
		return before, nil
	}
	var held []recipe.LockedDeb
	if before != nil && !s.upgrade.has("packages") {
		held = slices.DeleteFunc(slices.Clone(before.Debs), func(d recipe.LockedDeb) bool {
			return s.upgrade.has(d.Name) || slices.ContainsFunc(d.Alone, s.upgrade.has)
		})
	}
	debs, err := packages.Resolve(ctx, s.env, b, packages.Wanted{Packages: p, Held: held}, run)
	if err != nil {
		return nil, fmt.Errorf("resolving packages: %w", err)
	}
	return recipe.NewPackages(p, debs), nil
}
