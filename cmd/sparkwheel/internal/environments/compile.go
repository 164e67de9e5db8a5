package environments

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Compiler is what answers questions: uv, for the Python of a base and with the
// indexes of a recipe.
type Compiler struct {
	Env    host.Env
	Recipe *recipe.Recipe
	Base   *base.Base
	UV     Tool
}

// Compile has uv resolve a question with the network, inside the base's root
// and for its own interpreter; for a base of another platform, with this
// host's Python and for what the base's files say. The text is a pylock.toml.
func (c Compiler) Compile(ctx context.Context, q Question, r *stage.Run) (_ []byte, err error) {
	env := c.Env
	work, err := os.MkdirTemp(env.Scratch(), "resolve-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	out := "pylock." + q.Name + ".toml"
	if err := q.write(work, out); err != nil {
		return nil, err
	}
	root, args, err := q.command(env, c.Base, out)
	if err != nil {
		return nil, err
	}
	network, explain := env.Network.Env, func(err error) error { return err }
	if len(c.Recipe.Indexes) > 0 {
		m, err := serveMerged(env)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		network, explain = m.env, m.explain
	}
	if has, err := writeNetrc(env, c.Recipe, work); err != nil {
		return nil, err
	} else if has {
		network = append(slices.Clip(network), "NETRC=/build/out/netrc")
	}
	host.Logf(r, "resolving %s: %s", q.Name, strings.Join(q.Requirements, ", "))
	cmd := c.command(q, work, network)
	cmd.Args, cmd.Output = args, r
	if err := (&sandbox.Sandbox{Root: root, Mode: env.Sandbox}).Run(ctx, cmd); err != nil {
		return nil, explain(fmt.Errorf("resolving the environment %s: %w", q.Name, err))
	}
	text, err := os.ReadFile(filepath.Join(work, out))
	if len(c.Recipe.Indexes) > 0 {
		text = env.Official(text)
	}
	return text, err
}

// command is how uv sees a question, but for its arguments.
func (c Compiler) command(q Question, work string, network []string) sandbox.Command {
	cmd := sandbox.Command{
		Env: append([]string{
			"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/build/home", "LC_ALL=C.UTF-8",
			"UV_HTTP_TIMEOUT=600", "UV_HTTP_RETRIES=10", "UV_NO_PROGRESS=1", "UV_CACHE_DIR=/tmp/uv",
		}, network...),
		Dir: "/build/out",
		Mounts: append([]sandbox.Mount{
			{Source: c.UV.Path, Target: "/build/bin/uv"},
			{Source: work, Target: "/build/out", Writable: true},
		}, c.Env.Network.Mounts...),
		Network: true,
	}
	for _, name := range slices.Sorted(maps.Keys(q.Trees)) {
		cmd.Mounts = append(cmd.Mounts, sandbox.Mount{Source: q.Trees[name], Target: "/build/trees/" + name})
	}
	return cmd
}

// write leaves a question's files in a directory; out is where the answer will be.
func (q Question) write(dir, out string) error {
	files := map[string][]byte{
		"requirements.txt": lines(q.Requirements), "overrides.txt": lines(q.Overrides), "excludes.txt": lines(q.Excludes), "constraints.txt": lines(q.Constraints),
	}
	if q.Before != nil {
		files[out] = q.Before
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func lines(all []string) []byte { return []byte(strings.Join(all, "\n") + "\n") }

// command is the root that uv runs in and its command line.
func (q Question) command(env host.Env, b *base.Base, out string) (root string, args []string, err error) {
	root, python := b.Root, b.Python.Path
	var target []string
	if !b.RunsHere(env) {
		root, python = "/", "/usr/bin/python3"
		if _, err := os.Stat(python); err != nil {
			return "", nil, fmt.Errorf("the base is for %s, so uv needs a Python of this host to resolve for it: install the package python3", b.Platform)
		}
		target = []string{"--python-platform", b.Python.UVPlatform(), "--python-version", b.Python.Version}
	}
	args = append([]string{
		"/build/bin/uv", "-q", "pip", "compile", "--no-header", "--format", "pylock.toml", "--no-python-downloads",
		"-p", python, "--only-binary", ":all:", "--overrides", "overrides.txt", "--excludes", "excludes.txt", "--constraints", "constraints.txt",
		"requirements.txt", "-o", out,
	}, target...)
	if q.ExcludeNewer != "" {
		args = append(args, "--exclude-newer", q.ExcludeNewer)
	}
	return root, args, nil
}
