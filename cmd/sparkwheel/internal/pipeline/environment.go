package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// question is what uv is asked to resolve.
type question struct {
	name         string   // of the environment: pylock.NAME.toml
	requirements []string // PEP 508, or -r FILE
	overrides    []string
	excludes     []string
	excludeNewer string
	trees        map[string]string // source -> its tree, seen at /build/trees/NAME
	before       []byte            // an earlier answer, whose versions are kept where they still fit
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

// compile has uv resolve a question with the network, inside the base's root
// and for its own interpreter; for a base of another platform, with this
// host's Python and for what the base's files say. The text is a pylock.toml.
func compile(ctx context.Context, env Env, rec *recipe.Recipe, base *Base, uv Tool, q question, r *stage.Run) (_ []byte, err error) {
	work, err := os.MkdirTemp(env.scratch(), "resolve-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	out := "pylock." + q.name + ".toml"
	inputs := map[string][]byte{
		"requirements.txt": lines(q.requirements), "overrides.txt": lines(q.overrides), "excludes.txt": lines(q.excludes),
	}
	if q.before != nil {
		inputs[out] = q.before
	}
	for name, text := range inputs {
		if err := os.WriteFile(filepath.Join(work, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	root, args, err := q.command(env, base, out)
	if err != nil {
		return nil, err
	}
	network, explain := env.Network.Env, func(err error) error { return err }
	if len(rec.Indexes) > 0 {
		m, err := serveMerged(env)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		network, explain = m.env, m.explain
	}
	if has, err := writeNetrc(env, rec, work); err != nil {
		return nil, err
	} else if has {
		network = append(network[:len(network):len(network)], "NETRC=/build/out/netrc")
	}
	logf(r, "resolving %s: %s", q.name, strings.Join(q.requirements, ", "))
	cmd := sandbox.Command{
		Args: args,
		Env: append([]string{
			"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/build/home", "LC_ALL=C.UTF-8",
			"UV_HTTP_TIMEOUT=600", "UV_HTTP_RETRIES=10", "UV_NO_PROGRESS=1", "UV_CACHE_DIR=/tmp/uv",
		}, network...),
		Dir: "/build/out",
		Mounts: append([]sandbox.Mount{
			{Source: uv.Path, Target: "/build/bin/uv"},
			{Source: work, Target: "/build/out", Writable: true},
		}, env.Network.Mounts...),
		Network: true,
		Output:  r,
	}
	for _, name := range slices.Sorted(maps.Keys(q.trees)) {
		cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: q.trees[name], Target: "/build/trees/" + name})
	}
	if err := (&sandbox.Sandbox{Root: root, Mode: env.Sandbox}).Run(ctx, cmd); err != nil {
		return nil, explain(fmt.Errorf("resolving the environment %s: %w", q.name, err))
	}
	text, err := os.ReadFile(filepath.Join(work, out))
	if len(rec.Indexes) > 0 {
		text = env.official(text)
	}
	return text, err
}

func lines(all []string) []byte { return []byte(strings.Join(all, "\n") + "\n") }

// command is the root that uv runs in and its command line.
func (q question) command(env Env, base *Base, out string) (root string, args []string, err error) {
	root, python := base.Root, base.Python.Path
	var target []string
	if !base.runsHere(env) {
		root, python = "/", "/usr/bin/python3"
		if _, err := os.Stat(python); err != nil {
			return "", nil, fmt.Errorf("the base is for %s, so that uv needs a Python of this host to resolve for it: install the package python3", base.Platform)
		}
		target = []string{"--python-platform", base.Python.uvPlatform(), "--python-version", base.Python.Version}
	}
	args = append([]string{
		"/build/bin/uv", "-q", "pip", "compile", "--no-header", "--format", "pylock.toml", "--no-python-downloads",
		"-p", python, "--only-binary", ":all:", "--overrides", "overrides.txt", "--excludes", "excludes.txt",
		"requirements.txt", "-o", out,
	}, target...)
	if q.excludeNewer != "" {
		args = append(args, "--exclude-newer", q.excludeNewer)
	}
	return root, args, nil
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

// fetchAll brings pinned files into the store, several at once.
func fetchAll(ctx context.Context, env Env, all []index.Pin, r *stage.Run) (index.Fetched, error) {
	got, err := env.Index.Fetch(ctx, all, env.blobs(), max(env.Jobs, 4), func(p index.Progress) {
		r.Progress(p.BytesDone, p.Bytes)
	})
	if errors.Is(err, index.ErrOffline) {
		return got, env.offline(all)
	}
	return got, err
}
