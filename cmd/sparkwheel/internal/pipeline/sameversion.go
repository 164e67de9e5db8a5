package pipeline

import (
	"fmt"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Versioned is a wheel's version, and where that is known from.
type Versioned struct {
	Wheel   string
	Version version.Version
	From    string
}

func (v Versioned) String() string { return fmt.Sprintf("%s is %s (%s)", v.Wheel, v.Version, v.From) }

// VersionsError says that two wheels of which the recipe wants one version have
// two.
type VersionsError struct{ One, Other Versioned }

func (e *VersionsError) Error() string {
	return fmt.Sprintf("the recipe's same-version wants one version, local part included: %s, and %s", e.One, e.Other)
}

// agree compares the versions of wheels that share a group.
func agree(r *recipe.Recipe, all []Versioned) error {
	for i, one := range all {
		for _, other := range all[:i] {
			if r.OneVersion(one.Wheel, other.Wheel) && !one.Version.Equal(other.Version) {
				return &VersionsError{other, one}
			}
		}
	}
	return nil
}

// statedVersions are those that the recipe's own files state, as far as they do.
func statedVersions(r *recipe.Recipe, l *recipe.Lock, t sources.Target) []Versioned {
	var all []Versioned
	for _, w := range r.Wheels {
		locked, ok := l.Source(w.Source)
		if !ok {
			continue
		}
		if s, ok := sources.StatedVersion(r, w, *locked, t); ok {
			all = append(all, Versioned{w.Name, s.Version, s.File + " of the recipe"})
		}
	}
	return all
}

// sharing are the wheels added so far that must have the version of w.
func (b *build) sharing(w recipe.Wheel) []namedWheel {
	return slices.DeleteFunc(slices.Clone(b.wheels), func(other namedWheel) bool { return !b.Recipe.OneVersion(w.Name, other.Name) })
}

// checkVersion holds a version that w will have, or has, against those of the
// wheels that were built before it.
func (b *build) checkVersion(mine Versioned, before []namedWheel) error {
	all := []Versioned{}
	for _, other := range before {
		v, err := version.Parse(other.stage.Value().wheel.Version)
		if err != nil {
			return err
		}
		all = append(all, Versioned{other.Name, v, "as it was built"})
	}
	return agree(b.Recipe, append(all, mine))
}

// checkBefore ends a build before it compiles where the version that w will have
// is known, and is not that of a wheel that was built.
func (b *build) checkBefore(w recipe.Wheel, before []namedWheel) error {
	for _, mine := range statedVersions(b.Recipe, b.Lock, b.target()) {
		if mine.Wheel == w.Name {
			return b.checkVersion(mine, before)
		}
	}
	return nil
}

// checkAfter is checkBefore with the version that w has.
func (b *build) checkAfter(made madeWheel, before []namedWheel) error {
	v, err := version.Parse(made.wheel.Version)
	if err != nil {
		return err
	}
	return b.checkVersion(Versioned{made.wheel.Name, v, "as it was built"}, before)
}
