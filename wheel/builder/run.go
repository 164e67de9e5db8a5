package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// niceness lets whoever uses the machine come first.
const niceness = 5

// limit fixes what the build may use of this host now.
func (b *build) limit() {
	b.spec.Jobs = sandbox.Jobs(b.spec.Jobs, b.spec.MemoryPerJob)
	if free, ok := sandbox.FreeMemory(); ok && b.spec.Memory == 0 {
		b.spec.Memory = free / 20 * 19
	}
}

// steps runs the build's commands one after the other.
func (b *build) steps(ctx context.Context) error {
	if err := b.command(ctx, "making the build environment of", b.venvArgs()); err != nil {
		return err
	}
	if args := b.installArgs(); args != nil {
		if err := b.command(ctx, "installing the build requirements of", args); err != nil {
			return err
		}
	}
	err := b.command(ctx, "building", b.buildArgs())
	exit, ok := errors.AsType[*sandbox.ExitError](err)
	if !ok || !exit.OOM || b.spec.Jobs <= 1 {
		return err
	}
	// What was compiled stays compiled: build systems go on where they ended.
	fmt.Fprintf(b.log, "sparkwheel: out of memory with %d jobs (peak %.1f GiB); trying once more with %d\n", b.spec.Jobs, float64(exit.Peak)/(1<<30), b.spec.Jobs/2)
	b.spec.Jobs /= 2
	return b.command(ctx, "building", b.buildArgs())
}

func (b *build) mounts() []sandbox.Mount {
	m := []sandbox.Mount{
		{Source: b.work, Target: "/build", Writable: true},
		{Source: b.spec.UV, Target: dirBin + "/uv"},
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

func (b *build) command(ctx context.Context, what string, args []string) error {
	fmt.Fprintf(b.log, "+ %s\n", strings.Join(args, " "))
	var scan explain.Scanner
	cmd := sandbox.Command{
		Args: args, Env: b.spec.environment(), Dir: path.Join(dirSource, b.spec.Subdir),
		Mounts: b.mounts(), Output: io.MultiWriter(&scan, b.log), Memory: b.spec.Memory, Nice: niceness,
	}
	if b.spec.Vary != nil {
		cmd.Umask = b.spec.Vary.Umask
	}
	err := b.run.Run(ctx, cmd)
	if exit, ok := errors.AsType[*sandbox.ExitError](err); ok {
		return &FailedError{Doing: what + " " + b.spec.Distribution, Exit: exit, Findings: scan.Findings()}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, b.spec.Distribution, err)
	}
	return nil
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
