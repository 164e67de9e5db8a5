package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// question is what uv is asked to resolve.
type question struct {
	name         string   // of the environment: pylock.NAME.toml
	requirements []string // PEP 508
	overrides    []string
	excludes     []string
	excludeNewer string
}

// buildQuestion asks for what a wheel's build needs: build-system.requires as
// rewritten, and the recipe's own, without what shims stand in for.
func buildQuestion(w recipe.Wheel, t *Tree) (question, error) {
	q := question{name: w.Name, requirements: w.Requires}
	path := filepath.Join(t.Dir, w.Subdirectory, "pyproject.toml")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return q, err
	}
	var project struct {
		BuildSystem struct {
			Requires []string `toml:"requires"`
		} `toml:"build-system"`
	}
	if err := toml.Unmarshal(text, &project); err != nil {
		return q, fmt.Errorf("reading %s of wheel %s: %w", path, w.Name, err)
	}
	// PEP 518: a project without the table is built by setuptools.
	if project.BuildSystem.Requires == nil {
		project.BuildSystem.Requires = []string{"setuptools>=40.8.0"}
	}
	q.requirements = append(project.BuildSystem.Requires, w.Requires...)
	for _, s := range w.Shims {
		q.excludes = append(q.excludes, s.Name)
	}
	return q, nil
}

// compile has uv resolve a question inside the base's root, with the network:
// the answer is for the base's own interpreter. The text is a pylock.toml.
func compile(ctx context.Context, env Env, base *Base, uv Tool, q question, r *stage.Run) ([]byte, error) {
	work, err := os.MkdirTemp(env.scratch(), "resolve-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	inputs := map[string][]string{"requirements.txt": q.requirements, "overrides.txt": q.overrides, "excludes.txt": q.excludes}
	for name, lines := range inputs {
		if err := os.WriteFile(filepath.Join(work, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
	}
	out := "pylock." + q.name + ".toml"
	args := []string{
		"/build/bin/uv", "pip", "compile", "--no-header", "--format", "pylock.toml", "--no-python-downloads",
		"-p", base.Python.Path, "--only-binary", ":all:", "--overrides", "overrides.txt", "--excludes", "excludes.txt",
		"requirements.txt", "-o", out,
	}
	if q.excludeNewer != "" {
		args = append(args, "--exclude-newer", q.excludeNewer)
	}
	logf(r, "resolving %s: %s", q.name, strings.Join(q.requirements, ", "))
	box := &sandbox.Sandbox{Root: base.Root, Scratch: env.scratch(), Mode: env.Sandbox}
	err = box.Run(ctx, sandbox.Command{
		Args: args,
		Env: append([]string{
			"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/build/home", "LC_ALL=C.UTF-8",
			"UV_HTTP_TIMEOUT=600", "UV_HTTP_RETRIES=10", "UV_NO_PROGRESS=1", "UV_CACHE_DIR=/tmp/uv",
		}, env.Fetch.Env...),
		Dir: "/build/out",
		Mounts: append([]sandbox.Mount{
			{Source: uv.Path, Target: "/build/bin/uv"},
			{Source: work, Target: "/build/out", Writable: true},
		}, env.Fetch.Mounts...),
		Network: true,
		Output:  r,
	})
	if err != nil {
		return nil, fmt.Errorf("resolving the environment %s: %w", q.name, err)
	}
	return os.ReadFile(filepath.Join(work, out))
}

// pins chooses one wheel of each distribution in a pylock for the base's
// interpreter.
func pins(base *Base, set recipe.LockedSet) ([]index.Pin, error) {
	lock, err := index.ParsePylock(set.Pylock, set.Text)
	if err != nil {
		return nil, err
	}
	return lock.Select(base.Python.Tags(), base.Python.Environment())
}

// fetchAll brings pinned files into the store, several at once, and returns
// their paths in the pins' order.
func fetchAll(ctx context.Context, env Env, all []index.Pin, r *stage.Run) ([]string, error) {
	paths := make([]string, len(all))
	meter := newMeter(all, r.Progress)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(env.Jobs, 4))
	for i, pin := range all {
		g.Go(func() (err error) {
			paths[i], err = download(ctx, env, pin, meter.part(i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return paths, nil
}
