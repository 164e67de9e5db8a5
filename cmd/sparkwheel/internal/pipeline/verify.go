package pipeline

import (
	"context"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

// Verify adds the stages that build each wheel and then build it again under
// other circumstances, and compare. names nil means every wheel.
func Verify(g *stage.Graph, env host.Env, r *recipe.Recipe, l *recipe.Lock, names []string) (*stage.Stage[[]wheels.Verdict], error) {
	b, err := newBuilding(g, env, r, l)
	if err != nil {
		return nil, err
	}
	if _, err := b.addWheels(g, names); err != nil {
		return nil, err
	}
	var all []*stage.Stage[wheels.Verdict]
	var needs []stage.Need
	for _, s := range b.wheels {
		again := stage.Add(g, "again "+s.name, func(ctx context.Context, run *stage.Run) (wheels.Verdict, error) {
			made := s.stage.Value()
			return made.plan.Again(ctx, env, made.wheel, run)
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
