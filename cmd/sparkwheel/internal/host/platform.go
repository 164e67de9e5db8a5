package host

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
)

// Platform is the recipe's platform, with "host" replaced by this one.
func (e Env) Platform(p string) (v1.Platform, error) {
	if p == "host" {
		return e.Host, nil
	}
	parsed, err := v1.ParsePlatform(p)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("platform %q: %w", p, err)
	}
	return *parsed, nil
}

// PlatformError says that a recipe is for another platform than this host.
type PlatformError struct{ Want, Host string }

func (e *PlatformError) Error() string {
	return fmt.Sprintf("the recipe is for %s, but this host is %s: build it on a %s host, or set target.platform to \"host\"", e.Want, e.Host, e.Want)
}

// Buildable says, as a *PlatformError, that a recipe builds wheels for another
// platform than this host's.
func (e Env) Buildable(r *recipe.Recipe) error {
	_, err := e.BuildPlatform(r)
	return err
}

// BuildPlatform is the recipe's platform. Where it builds wheels, that must be
// this host's; a recipe that only lays out published ones can be for any.
func (e Env) BuildPlatform(r *recipe.Recipe) (v1.Platform, error) {
	if len(r.Wheels) == 0 {
		return e.Platform(r.Target.Platform)
	}
	return e.hostPlatform(r)
}

// hostPlatform is the recipe's platform, which must be this host's: upstream
// code runs in the build, and nothing here emulates a processor.
func (e Env) hostPlatform(r *recipe.Recipe) (v1.Platform, error) {
	p, err := e.Platform(r.Target.Platform)
	if err != nil {
		return p, err
	}
	if p.OS != e.Host.OS || p.Architecture != e.Host.Architecture {
		return p, &PlatformError{Want: p.String(), Host: e.Host.String()}
	}
	return p, nil
}
