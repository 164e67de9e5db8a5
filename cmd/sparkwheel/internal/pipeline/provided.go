package pipeline

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// runtimePins are the wheels of the runtime set that are installed, and those in
// whose place empty distributions stand.
func (b *build) runtimePins() (installed, provided []index.Pin, err error) {
	on, err := b.base.Ahead()
	if err != nil {
		return nil, nil, err
	}
	all, err := environments.Pins(on, *b.Lock.Runtime)
	for _, pin := range all {
		if image.IsProvided(b.Recipe.Runtime.Provided, pin) {
			provided = append(provided, pin)
		} else {
			installed = append(installed, pin)
		}
	}
	return installed, provided, err
}

// provided says what stands in place of distributions, as far as the packages
// of the image are known.
func (b *build) provided() ([]image.Provided, error) {
	_, pins, err := b.runtimePins()
	if err != nil {
		return nil, err
	}
	on, err := b.on.Ahead()
	if err != nil {
		return nil, err
	}
	return image.Provide(on, pins, b.Recipe.Runtime.Provided)
}

// addProvided adds the writing of empty distributions, if the recipe has some.
func (b *build) addProvided() {
	if b.Lock.Runtime == nil || len(b.Recipe.Runtime.Provided) == 0 {
		return
	}
	b.stand = stage.AddKeyed(b.graph, "provided", ahead(b.Env, func() (all []host.Entry, err error) {
		list, err := b.provided()
		for _, p := range list {
			all = append(all, p.Entry())
		}
		return all, err
	}, func() (all []image.Member, err error) {
		list, err := b.provided()
		for _, p := range list {
			m, ok, err := p.Member(b.Env)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, &stage.WaitingError{Reason: "the empty distribution of " + p.Name + " is written first"}
			}
			all = append(all, m)
		}
		return all, err
	}), func(ctx context.Context, run *stage.Run) (all []image.Member, err error) {
		list, err := b.provided()
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			m, err := p.Make(ctx, b.Env.Noting(run))
			if err != nil {
				return nil, err
			}
			run.Note("%s %s is not installed: the Debian package %s %s provides it", p.Name, p.Version, p.Package, p.PackageVersion)
			all = append(all, m)
		}
		return all, nil
	}, b.on)
	b.last = append(b.last, b.stand)
}

// checkProvided refuses a set in which a distribution that packages are to
// provide does not occur: its name is another one, and what it is called now
// would be installed.
func checkProvided(r *recipe.Recipe, pins []index.Pin) error {
	var names []string
	for _, pin := range pins {
		names = append(names, string(requirements.Normalize(pin.Name)))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Runtime.Provided)) {
		if slices.Contains(names, name) {
			continue
		}
		hint := ""
		if near := recipe.Nearest(name, names); near != "" {
			hint = "; the nearest that it has is " + near
		}
		return callErrorf("runtime.provided: nothing in the runtime set requires %s%s; correct the recipe", strings.TrimSpace(name), hint)
	}
	return nil
}
