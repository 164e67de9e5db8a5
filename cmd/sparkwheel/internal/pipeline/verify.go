package pipeline

import (
	"context"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

// Verify adds the stages that build each of the request's wheels and then build
// it again under other circumstances, and compare.
func Verify(g *stage.Graph, req Request) (*stage.Stage[[]wheels.Verdict], error) {
	if err := req.Env.Buildable(req.Recipe); err != nil {
		return nil, err
	}
	b := newBuild(g, req)
	b.Image = false
	if _, err := b.add(); err != nil {
		return nil, err
	}
	var all []*stage.Stage[wheels.Verdict]
	var needs []stage.Need
	for _, s := range b.wheels {
		again := stage.Add(g, "again "+s.Name, func(ctx context.Context, run *stage.Run) (wheels.Verdict, error) {
			made := s.stage.Value()
			return made.plan.Again(ctx, b.Env, made.wheel, run)
		}, s.stage)
		all, needs = append(all, again), append(needs, again)
	}
	return stage.Add(g, "verdict", func(context.Context, *stage.Run) ([]wheels.Verdict, error) {
		verdicts := []wheels.Verdict{}
		for _, s := range all {
			verdicts = append(verdicts, s.Value())
		}
		return verdicts, nil
	}, needs...), nil
}
