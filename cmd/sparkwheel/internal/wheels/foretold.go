package wheels

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// AskedError says that a build backend asks for a requirement that the lock has
// nothing for.
type AskedError struct {
	Wheel, Requirement string
	Has                string // the version that the lock has, "" for none
}

func (e *AskedError) Error() string {
	has := "the lock has none"
	if e.Has != "" {
		has = "the lock has " + e.Has
	}
	return fmt.Sprintf("the build backend of wheel %s asks for %q, and %s; add it to the wheel's requires and run `sparkwheel lock`", e.Wheel, e.Requirement, has)
}

// foretold holds what the backend says of the wheel against the lock, before
// anything is compiled.
func (b Plan) foretold(f builder.Foretold) error {
	used, err := b.used()
	if err != nil {
		return err
	}
	if err := b.asked(f.Requires, used); err != nil || f.Metadata == "" {
		return err
	}
	m, faults := wheel.ParseMetadata(strings.NewReader(f.Metadata))
	if len(faults) > 0 {
		return fmt.Errorf("the metadata that the build backend of wheel %s announces: %w", b.Recipe.Name, errors.Join(faults...))
	}
	if want := requirements.Normalize(b.Recipe.Distribution); m.Name != want {
		return fmt.Errorf("the build backend of wheel %s announces %s; a wheel of %s is expected", b.Recipe.Name, m.Name, want)
	}
	if b.Agree != nil {
		if err := b.Agree(m.Version); err != nil {
			return err
		}
	}
	d, env := truth.Of(m, "METADATA of "+b.Recipe.Name+", as its backend announces it"), b.Base.Python.Environment()
	if b.Recipe.Repair || len(truth.Built(d, used, env)) == 0 {
		return nil
	}
	if err := b.askedBy(used, truth.Built(d, used, env)); err != nil {
		return err
	}
	return &truth.Error{What: d.Origin, Faults: truth.Built(d, used, env)}
}

// asked holds what a backend asks for against what the build environment has.
func (b Plan) asked(lines []string, used []truth.Used) error {
	for _, line := range lines {
		r, err := requirements.ParseRequirement(line)
		if err != nil {
			return fmt.Errorf("the build backend of wheel %s asks for %.200q: %w", b.Recipe.Name, line, err)
		}
		if !r.Marker.IsZero() {
			applies, err := r.Marker.Eval(b.Base.Python.Environment())
			if err != nil {
				return err
			}
			if !applies {
				continue
			}
		}
		i := slices.IndexFunc(used, func(u truth.Used) bool { return u.Name == r.Name })
		if i < 0 {
			return &AskedError{Wheel: b.Recipe.Name, Requirement: line}
		}
		if !r.Specifiers.Contains(used[i].Version) {
			return &AskedError{b.Recipe.Name, line, used[i].Version.String()}
		}
	}
	return nil
}
