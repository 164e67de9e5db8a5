package sources

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// computeVersion is the version that the build is told, as the recipe wants it
// computed. A version that says nothing (0.0.0) is a fault of the repository's
// tags and stops here, before it stands in a wheel's name.
func computeVersion(ctx context.Context, env host.Env, a At, dirty bool, r *stage.Run) (string, error) {
	src := a.Source
	v, err := version.Parse(src.Version)
	if src.Version == "scm" || src.Version == "tag" {
		var d git.Description
		if d, err = env.Mirrors.Describe(ctx, src.Git.URL, a.Commit, r); err == nil {
			v, err = versionOf(src, d, a.Commit, dirty)
		}
	}
	if err != nil {
		return "", fmt.Errorf("computing the version of %s: %w", src.Name, err)
	}
	if strings.Trim(v.Public().String(), "0.") == "" {
		return "", fmt.Errorf("the version of %s came out as %s: its tags are missing at %s; give version = \"X.Y\" in the recipe", src.Name, v, src.Git.URL)
	}
	return v.String(), nil
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
