package builds

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Build runs the build's steps, or finds in the store what they made.
func (p Plan) Build(ctx context.Context, env host.Env, run *stage.Run) (*Made, error) {
	env = env.Noting(run)
	entry := p.Entry()
	dir, hit, err := env.Store.Do(ctx, entry.Kind, entry.Key, func(dir string) error { return p.fill(ctx, env, dir, run) })
	if err != nil {
		return nil, err
	}
	if hit {
		run.Hit()
	}
	made, err := p.read(dir)
	if err != nil {
		return nil, err
	}
	return made, made.keep(env)
}

func (p Plan) fill(ctx context.Context, env host.Env, dir string, run *stage.Run) error {
	if _, err := host.Fetch(ctx, env, p.Needed(), run); err != nil {
		return err
	}
	spec, err := p.spec(ctx, env)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(spec.CCache, 0o777); err != nil {
		return err
	}
	root, err := p.Root(ctx, run)
	if err != nil {
		return err
	}
	box := &sandbox.Sandbox{Root: root, Mode: env.Sandbox}
	_, err = builder.Outputs(ctx, box, spec, p.outputs(), dir, run)
	if failed, ok := errors.AsType[*builder.FailedError](err); ok {
		wheels.NameProgramsOutsidePath(failed.Findings, root)
		if failed.Commands != nil {
			err = errors.Join(err, run.Attach(builder.CommandsFile, failed.Commands))
		}
	}
	if err != nil {
		return err
	}
	return p.note(ctx, dir)
}

// Built is what the build made where the store has it, else a *stage.WaitingError.
func (p Plan) Built(env host.Env) (*Made, error) {
	dir := env.Kept(p.Entry())
	if dir == "" {
		return nil, &stage.WaitingError{Reason: fmt.Sprintf("build %s runs first", p.Recipe.Name)}
	}
	return p.read(dir)
}
