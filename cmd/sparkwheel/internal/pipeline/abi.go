package pipeline

import (
	"context"
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// buildSet resolves a build environment. Where it comes out with another torch
// than the runtime's, or another distribution that compiled code depends on, it
// is resolved once more with the runtime's.
func (s *resolving) buildSet(ctx context.Context, q environments.Question, runtime *stage.Stage[namedSet], run *stage.Run) (namedSet, error) {
	set, err := s.set(ctx, q, run)
	if err != nil || runtime == nil {
		return set, err
	}
	different, err := s.compare(set, runtime.Value())
	if err != nil || len(different) == 0 {
		return set, err
	}
	fault := &environments.ABIError{Wheel: q.Name, Different: different}
	for _, d := range different {
		q.Constraints = append(q.Constraints, fmt.Sprintf("%s==%s", d.Name, d.Runtime))
		run.Note("%s is built with %s %s, the image's", q.Name, d.Name, d.Runtime)
	}
	if set, err = s.set(ctx, q, run); err != nil {
		fault.Err = err
		return set, fault
	}
	if fault.Different, err = s.compare(set, runtime.Value()); err != nil || len(fault.Different) > 0 {
		return set, fault
	}
	return set, nil
}

func (s *resolving) compare(build, runtime namedSet) ([]environments.Different, error) {
	mine, err := environments.Pins(s.base.Value(), build.set)
	if err != nil {
		return nil, err
	}
	theirs, err := environments.Pins(s.base.Value(), runtime.set)
	if err != nil {
		return nil, err
	}
	return environments.Compare(s.recipe.Binary(), mine, theirs)
}

// checkABI holds a locked build environment against the locked runtime, before
// anything is compiled.
func (b *build) checkABI(w recipe.Wheel, pins []index.Pin) error {
	if b.Lock.Runtime == nil {
		return nil
	}
	runtime, err := environments.Pins(b.base.Value(), *b.Lock.Runtime)
	if err != nil {
		return err
	}
	different, err := environments.Compare(b.Recipe.Binary(), pins, runtime)
	if err != nil || len(different) == 0 {
		return err
	}
	return &environments.ABIError{Wheel: w.Name, Different: different}
}
