package pipeline

import (
	"context"
	"fmt"
	"os"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Verdict is the comparison of a wheel with one that was built again.
type Verdict struct {
	Wheel      string `json:"wheel"`
	File       string `json:"file"`
	SHA256     string `json:"sha256"`
	Equal      bool   `json:"equal"`
	Difference string `json:"difference,omitempty"` // where they differ, in words
}

// Verify adds the stages that build each wheel and then build it again under
// other circumstances, and compare. names nil means every wheel.
func Verify(g *stage.Graph, env Env, r *recipe.Recipe, l *recipe.Lock, names []string) (*stage.Stage[[]Verdict], error) {
	b, err := newBuilding(g, env, r, l)
	if err != nil {
		return nil, err
	}
	if _, err := b.addWheels(g, names); err != nil {
		return nil, err
	}
	var all []*stage.Stage[Verdict]
	var needs []stage.Need
	for _, s := range b.wheels {
		again := stage.Add(g, "again "+s.name, func(ctx context.Context, run *stage.Run) (Verdict, error) {
			made := s.stage.Value()
			return made.plan.again(ctx, env, made.wheel, run)
		}, s.stage)
		all, needs = append(all, again), append(needs, again)
	}
	return stage.Add(g, "verdict", func(context.Context, *stage.Run) ([]Verdict, error) {
		verdicts := []Verdict{}
		for _, s := range all {
			verdicts = append(verdicts, s.Value())
		}
		return verdicts, nil
	}, needs...), nil
}

// again builds a wheel a second time and compares.
func (b buildPlan) again(ctx context.Context, env Env, w *Wheel, r *stage.Run) (_ Verdict, err error) {
	if _, err := fetchAll(ctx, env, b.needed(), r); err != nil {
		return Verdict{}, err
	}
	dir, err := os.MkdirTemp(env.scratch(), "again-*")
	if err != nil {
		return Verdict{}, err
	}
	defer os.RemoveAll(dir)
	spec, err := b.spec(ctx, env, b.wheelFiles(env))
	if err != nil {
		return Verdict{}, err
	}
	box := &sandbox.Sandbox{Root: b.root(), Mode: env.Sandbox, Hostname: "another"}
	diff, err := builder.Verify(ctx, box, spec, w.Path, dir, r)
	if err != nil {
		return Verdict{}, fmt.Errorf("building wheel %s again: %w", b.recipe.Name, err)
	}
	v := Verdict{Wheel: w.Name, File: w.File, SHA256: w.SHA256, Equal: diff == nil}
	if diff != nil {
		v.Difference = diff.String()
	}
	return v, nil
}
