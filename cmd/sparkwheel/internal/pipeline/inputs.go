package pipeline

import (
	"context"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// input is something that a wheel's build sees read-only beside its source.
type input struct {
	name   string
	target string // absolute, inside the sandbox
	digest string // of what stands there: it is part of the wheel's key
	// pins are the files that it is made of, brought when the wheel is built.
	pins []index.Pin
	// place makes it ready, once its pins are here, and says where on this host.
	place func(ctx context.Context, env Env) (string, error)
}

// buildSource is where a build has its source.
const buildSource = "/build/src"

// inputTarget is where the recipe wants an input: a path that is not absolute
// is one in the source's tree.
func inputTarget(at string) string {
	if strings.HasPrefix(at, "/") {
		return at
	}
	return path.Join(buildSource, at)
}

// inputsOf are what a wheel's build takes in beside its source, by name.
func inputsOf(r *recipe.Recipe, l *recipe.Lock, w recipe.Wheel) ([]input, error) {
	var out []input
	for _, f := range r.Files {
		at, ok := w.Inputs[f.Name]
		if !ok {
			continue
		}
		in, err := fileInput(f, l, inputTarget(at))
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	for _, m := range r.Manifests {
		at, ok := w.Inputs[m.Name]
		if !ok {
			continue
		}
		in, err := manifestInput(m, l, inputTarget(at))
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func fileInput(f recipe.File, l *recipe.Lock, target string) (input, error) {
	locked, ok := l.File(f.Name)
	if !ok {
		return input{}, &NotLockedError{"file " + f.Name}
	}
	if err := agrees(f, *locked); err != nil {
		return input{}, err
	}
	pin := filePin(*locked)
	return input{
		name: f.Name, target: target, digest: pin.SHA256, pins: []index.Pin{pin},
		place: func(_ context.Context, env Env) (string, error) { return pin.Path(env.blobs()), nil },
	}, nil
}

// mounts makes the inputs ready. Their pins are in the store.
func mounts(ctx context.Context, env Env, inputs []input) ([]sandbox.Mount, error) {
	var out []sandbox.Mount
	for _, in := range inputs {
		source, err := in.place(ctx, env)
		if err != nil {
			return nil, err
		}
		out = append(out, sandbox.Mount{Source: source, Target: in.target})
	}
	return out, nil
}
