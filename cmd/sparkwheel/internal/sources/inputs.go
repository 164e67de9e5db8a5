package sources

import (
	"context"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Input is something that a wheel's build sees read-only beside its source.
type Input struct {
	Name   string
	Target string // absolute, inside the sandbox
	Digest string // of what stands there: it is part of the wheel's key
	// pins are the files that it is made of, brought when the wheel is built.
	Pins []index.Pin
	// place makes it ready, once its pins are here, and says where on this host.
	Place func(ctx context.Context, env host.Env) (string, error)
}

// buildSource is where a build has its source.
const buildSource = "/build/src"

// InputTarget is where the recipe wants an input: a path that is not absolute
// is one in the source's tree.
func InputTarget(at string) string {
	if strings.HasPrefix(at, "/") {
		return at
	}
	return path.Join(buildSource, at)
}

// Inputs are the files and manifests that a build takes in beside its source, by
// name: inputs says where it wants them.
func Inputs(r *recipe.Recipe, l *recipe.Lock, inputs map[string]string) ([]Input, error) {
	var out []Input
	for _, f := range r.Files {
		at, ok := inputs[f.Name]
		if !ok {
			continue
		}
		in, err := fileInput(f, l, InputTarget(at))
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	for _, m := range r.Manifests {
		at, ok := inputs[m.Name]
		if !ok {
			continue
		}
		in, err := ManifestInput(m, l, InputTarget(at))
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func fileInput(f recipe.File, l *recipe.Lock, target string) (Input, error) {
	locked, ok := l.File(f.Name)
	if !ok {
		return Input{}, &host.NotLockedError{What: "file " + f.Name}
	}
	if err := Agrees(f, *locked); err != nil {
		return Input{}, err
	}
	pin := FilePin(*locked)
	return Input{
		Name: f.Name, Target: target, Digest: pin.SHA256, Pins: []index.Pin{pin},
		Place: func(_ context.Context, env host.Env) (string, error) { return pin.Path(env.Blobs()), nil },
	}, nil
}

// Mounts makes the inputs ready. Their pins are in the store.
func Mounts(ctx context.Context, env host.Env, inputs []Input) ([]sandbox.Mount, error) {
	var out []sandbox.Mount
	for _, in := range inputs {
		source, err := in.Place(ctx, env)
		if err != nil {
			return nil, err
		}
		out = append(out, sandbox.Mount{Source: source, Target: in.Target})
	}
	return out, nil
}
