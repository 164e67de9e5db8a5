package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// niceness lets whoever uses the machine come first.
const niceness = 5

// limit fixes what the build may use of this host now.
func (b *build) limit() {
	if b.spec.CPUs > 0 {
		b.spec.Jobs = b.spec.CPUs
	}
	b.spec.Jobs = sandbox.Jobs(b.spec.Jobs, b.spec.MemoryPerJob)
	if free, ok := sandbox.FreeMemory(); ok && b.spec.Memory == 0 {
		b.spec.Memory = free / 20 * 19
	}
}

// steps runs the build's commands one after the other, in one sandbox.
func (b *build) steps(ctx context.Context) error {
	var before [][]string
	if b.spec.Python != "" {
		before = append(before, b.venvArgs())
		if args := b.installArgs(); args != nil {
			before = append(before, args)
		}
	}
	lines := b.lines()
	if b.spec.Foretold != nil && b.spec.Vary == nil && len(b.spec.Steps) == 0 {
		if err := b.foretell(ctx, before); err != nil {
			return err
		}
		before = nil
	}
	err := b.commands(ctx, before, lines)
	failed, ok := errors.AsType[*FailedError](err)
	if !ok || !failed.Exit.OOM || b.spec.Jobs <= 1 {
		return err
	}
	at := slices.IndexFunc(lines, func(args []string) bool { return slices.Equal(failed.Exit.Args, args) })
	if at < 0 {
		return err
	}
	// What was compiled stays compiled: build systems go on where they ended.
	fmt.Fprintf(b.log, "sparkwheel: out of memory with %d jobs (peak %.1f GiB); trying again with %d\n", b.spec.Jobs, float64(failed.Exit.Peak)/(1<<30), b.spec.Jobs/2)
	b.spec.Jobs /= 2
	return b.commands(ctx, nil, b.lines()[at:])
}

// lines are the commands of the build itself.
func (b *build) lines() [][]string {
	if len(b.spec.Steps) == 0 {
		return [][]string{b.buildArgs()}
	}
	var lines [][]string
	for _, step := range b.spec.Steps {
		line := make([]string, len(step))
		for i, arg := range step {
			line[i] = b.spec.withJobs(arg)
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *Spec) withJobs(text string) string {
	return strings.ReplaceAll(text, "{jobs}", strconv.Itoa(max(s.Jobs, 1)))
}

// doing says in words what a command of the build does.
func (b *build) doing(args []string) string {
	switch {
	case len(b.spec.Steps) > 0 && !slices.Equal(args, b.installArgs()) && !slices.Equal(args, b.venvArgs()):
		return "step " + strings.Join(args, " ")
	case slices.Equal(args, b.venvArgs()):
		return "making the build environment of " + b.spec.Distribution
	case slices.Equal(args, foretellArgs(b.spec)):
		return "asking the build backend of " + b.spec.Distribution
	case slices.Equal(args, b.installArgs()):
		return "installing the build requirements of " + b.spec.Distribution
	}
	return "building " + b.spec.Distribution
}

func (b *build) mounts() []sandbox.Mount {
	m := []sandbox.Mount{
		{Source: b.work, Target: "/build", Writable: true},
	}
	if b.spec.UV != "" {
		m = append(m, sandbox.Mount{Source: b.spec.UV, Target: dirBin + "/uv"})
	}
	for _, name := range slices.Sorted(maps.Keys(b.spec.Wheels)) {
		m = append(m, sandbox.Mount{Source: b.spec.Wheels[name], Target: dirWheels + "/" + name})
	}
	if b.spec.Launcher != "" {
		m = append(m, sandbox.Mount{Source: b.spec.Launcher, Target: fileLauncher})
	}
	if b.spec.CCache != "" {
		m = append(m, sandbox.Mount{Source: b.spec.CCache, Target: dirCCache, Writable: true})
	}
	return append(m, b.spec.Mounts...)
}

// commands runs those of before, and then the build's.
func (b *build) commands(ctx context.Context, before, lines [][]string) error {
	var scan explain.Scanner
	done, err := b.listen()
	if err != nil {
		return err
	}
	all := before
	for _, line := range lines {
		all = append(all, b.launched(line))
	}
	last := len(all) - 1
	cmd := sandbox.Command{
		Before: all[:last], Args: all[last], Echo: true, Env: b.spec.environment(), Dir: path.Join(dirSource, b.spec.Subdir),
		Mounts: b.mounts(), Output: io.MultiWriter(&scan, b.log), Memory: b.spec.Memory, CPUs: b.spec.CPUs, Nice: niceness,
	}
	if b.spec.Vary != nil {
		cmd.Umask = b.spec.Vary.Umask
	}
	err = errors.Join(b.run.Run(ctx, cmd), done())
	if exit, ok := errors.AsType[*sandbox.ExitError](err); ok {
		exit.Args = b.unlaunched(exit.Args)
		return &FailedError{Doing: b.doing(exit.Args), Exit: exit, Findings: scan.Findings()}
	}
	if err != nil {
		return fmt.Errorf("building %s: %w", b.spec.Distribution, err)
	}
	return nil
}

// launched is a command with the compilers that it calls by name as launchers.
func (b *build) launched(args []string) []string {
	if b.spec.Launcher == "" {
		return args
	}
	return append([]string{fileLauncher, "--"}, args...)
}

func (b *build) unlaunched(args []string) []string {
	if len(args) > 2 && args[0] == fileLauncher && args[1] == "--" {
		return args[2:]
	}
	return args
}

func (b *build) venvArgs() []string {
	return []string{dirBin + "/uv", "venv", "--no-project", "--python", b.spec.Python, dirVenv}
}

func (b *build) installArgs() []string {
	var files []string
	for name := range b.spec.Wheels {
		files = append(files, dirWheels+"/"+name)
	}
	for _, name := range b.shims {
		files = append(files, dirWheels+"/"+name)
	}
	if len(files) == 0 {
		return nil
	}
	slices.Sort(files)
	return append([]string{dirBin + "/uv", "pip", "install", "--python", venvBin + "/python",
		"--offline", "--no-index", "--no-deps", "--link-mode", "hardlink"}, files...)
}

func (b *build) buildArgs() []string {
	var args []string
	flag := "--config-setting"
	if b.spec.Frontend == "pip" {
		args = []string{venvBin + "/python", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
			"--no-cache-dir", "--no-clean", "--wheel-dir", dirOut}
		flag = "--config-settings"
	} else {
		args = []string{dirBin + "/uv", "build", "--wheel", "--no-build-isolation", "--offline", "--no-index",
			"--python", venvBin + "/python", "--out-dir", dirOut}
	}
	for _, k := range slices.Sorted(maps.Keys(b.spec.Config)) {
		args = append(args, flag, k+"="+b.spec.Config[k])
	}
	return append(args, ".")
}
