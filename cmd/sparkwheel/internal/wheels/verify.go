package wheels

import (
	"context"
	"fmt"
	"os"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
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

// Again builds a wheel a second time and compares.
func (b Plan) Again(ctx context.Context, env host.Env, w *Wheel, r *stage.Run) (_ Verdict, err error) {
	if _, err := host.Fetch(ctx, env, b.Needed(), r); err != nil {
		return Verdict{}, err
	}
	dir, err := os.MkdirTemp(env.Scratch(), "again-*")
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
		return Verdict{}, fmt.Errorf("building wheel %s again: %w", b.Recipe.Name, err)
	}
	v := Verdict{Wheel: w.Name, File: w.File, SHA256: w.SHA256, Equal: diff == nil}
	if diff != nil {
		v.Difference = diff.String()
	}
	return v, nil
}
