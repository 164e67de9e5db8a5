package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// VersionError says that a repository's tags give a source no version that says
// anything, as those of a fork without its upstream's tags do.
type VersionError struct {
	Source, URL, Commit string
	Version             string // what came out; "" where there is no tag at all
	From                string // the tag that it came from, in words
}

func (e *VersionError) Error() string {
	why := fmt.Sprintf("no tag with a digit in its name is on commit %s of %s or before it", e.Commit, e.URL)
	if e.Version != "" {
		why = fmt.Sprintf("the result is %s, %s of %s", e.Version, e.From, e.URL)
	}
	return fmt.Sprintf("computing the version of %s: %s: a fork may not have its upstream's tags; push them there, or set version = \"X.Y\" in the [[source]]", e.Source, why)
}

// computed is a source's version before it is known whether the recipe changes
// its tree.
type computed struct {
	stated    string // by the recipe
	described string // what it was computed from
	from      string // that in words, "" where the recipe states it
	scm       func(dirty bool) (version.Version, error)
	none      *VersionError
}

// computeVersion is the version that the build is told, as the recipe wants it
// computed.
func computeVersion(ctx context.Context, env host.Env, a At, r *stage.Run) (computed, error) {
	src, c := a.Source, a.described()
	if src.Version != "scm" && src.Version != "tag" {
		v, err := version.Parse(src.Version)
		if err == nil && empty(v) {
			err = fmt.Errorf("%q has no version", src.Version)
		}
		if err != nil {
			return computed{}, fmt.Errorf("reading the version of %s: %w", src.Name, err)
		}
		return computed{stated: v.String()}, nil
	}
	none := &VersionError{Source: src.Name, URL: src.Git.URL, Commit: c.Hash}
	d, err := git.ParseDescription(a.Described)
	if err != nil || d.Hash != c.Hash {
		d, err = env.Mirrors.Describe(ctx, src.Git.URL, c, r)
	}
	if errors.Is(err, git.ErrNoTag) {
		return computed{}, none
	}
	if err != nil {
		return computed{}, fmt.Errorf("computing the version of %s: %w", src.Name, err)
	}
	return computed{
		described: d.String(), from: from(d), none: none,
		scm: func(dirty bool) (version.Version, error) { return versionOf(src, d, c, dirty) },
	}, nil
}

// as is the version of a tree that is changed or not. A version that says
// nothing is a fault of the repository's tags and stops here, before it stands
// in a wheel's name.
func (c computed) as(dirty bool) (string, error) {
	if c.scm == nil {
		return c.stated, nil
	}
	v, err := c.scm(dirty)
	if err != nil {
		return "", fmt.Errorf("computing the version of %s: %w", c.none.Source, err)
	}
	if empty(v) || unborn(v) {
		none := *c.none
		none.Version, none.From = v.String(), c.from
		return "", &none
	}
	return v.String(), nil
}

// from says where a version comes from.
func from(d git.Description) string {
	switch d.Distance {
	case 0:
		return "from the tag " + d.Tag
	case 1:
		return fmt.Sprintf("from the tag %s, 1 commit before", d.Tag)
	}
	return fmt.Sprintf("from the tag %s, %d commits before", d.Tag, d.Distance)
}

// empty reports whether a version is nothing but zeros.
func empty(v version.Version) bool { return strings.Trim(v.Public().String(), "0.") == "" }

// unborn reports whether a version is what tools make up for a project that was
// never released: 0.0 or 0.1 in development.
func unborn(v version.Version) bool {
	number, _, dev := strings.Cut(v.Public().String(), ".dev")
	return dev && (number == "0.1" || strings.Trim(number, "0.") == "")
}

func versionOf(src recipe.Source, d git.Description, c git.Commit, dirty bool) (version.Version, error) {
	date := c.Time
	switch {
	case src.Version == "tag":
		d.Distance, dirty = 0, false
	case src.Date != "":
		var err error
		if date, err = time.Parse(time.DateOnly, src.Date); err != nil {
			return version.Version{}, err
		}
	}
	return version.FromSCM(version.Description(d), dirty, date)
}
