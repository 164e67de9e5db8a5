package pipeline

import (
	"context"
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

// Verify adds the stages that make each of the request's wheels and builds and
// then make it again under other circumstances, and compare.
func Verify(g *stage.Graph, req Request) (*stage.Stage[[]wheels.Verdict], error) {
	if err := req.Env.Buildable(req.Recipe); err != nil {
		return nil, err
	}
	b := newBuild(g, req)
	b.Image = false
	if _, err := b.add(); err != nil {
		return nil, err
	}
	var all []*stage.Stage[[]wheels.Verdict]
	var needs []stage.Need
	for _, s := range b.builds {
		if b.Wheels != nil && !slices.Contains(b.Wheels, s.Name) {
			continue // made because another one needs it
		}
		again := stage.Add(g, "again "+s.Name, func(ctx context.Context, run *stage.Run) ([]wheels.Verdict, error) {
			return s.stage.Value().plan.Again(ctx, b.Env, run)
		}, s.stage)
		all, needs = append(all, again), append(needs, again)
	}
	for _, s := range b.wheels {
		again := stage.Add(g, "again "+s.Name, func(ctx context.Context, run *stage.Run) ([]wheels.Verdict, error) {
			made := s.stage.Value()
			v, err := made.plan.Again(ctx, b.Env, made.wheel, run)
			return []wheels.Verdict{v}, err
		}, s.stage)
		all, needs = append(all, again), append(needs, again)
	}
	return stage.Add(g, "verdict", func(context.Context, *stage.Run) ([]wheels.Verdict, error) {
		verdicts := []wheels.Verdict{}
		for _, s := range all {
			verdicts = append(verdicts, s.Value()...)
		}
		return verdicts, nil
	}, needs...), nil
}
