package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [TARGET...]",
		Short: "Show what a build would do, and why",
		Long: "Show each stage of a build that is not cached, which of its inputs changed, what it\nwould download and how long it took last time. Nothing runs, and the network is not used.\n" +
			"Flags that change what is built are those of `sparkwheel build`.",
		RunE: func(_ *cobra.Command, args []string) error {
			return a.runPlan(&f, args)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&f.out, "output", "o", "out", "`DIR` that holds the lock of an embedded recipe")
	cmd.Flags().StringVar(&f.push, "push", "", "plan the push of the image to `IMAGE` too")
	registerLocked(cmd, new(bool)) // as ever: a plan asks nobody
	registerSandbox(cmd, &f.sandbox)
	registerStrictness(cmd, &f.strict)
	return cmd
}

// planFlags are those of a build that decide on what it makes.
type planFlags struct {
	overrideFlags
	out     string
	push    string
	sandbox string
	strict  image.Strictness
}

func (a *app) runPlan(f *planFlags, targets []string) error {
	req, err := a.lockedTargets(f.out, &f.overrideFlags, targets)
	if err != nil {
		return err
	}
	if f.push != "" {
		if !req.Image {
			return usageErrorf("--push needs the image, but the targets are %s", strings.Join(targets, ", "))
		}
		if _, err := pushTarget(f.push); err != nil {
			return err
		}
		req.Push = &pipeline.Push{Target: f.push}
	}
	if req.Env, err = a.openEnv(new(registryFlags)); err != nil {
		return err
	}
	defer req.Env.Store.Close()
	if req.Env.Sandbox, err = sandboxMode(f.sandbox); err != nil {
		return err
	}
	req.Strict = f.strict
	steps, err := pipeline.Plan(req)
	if err != nil {
		return notLocked(err)
	}
	return a.result(map[string]any{"stages": steps}, planText(steps))
}

func planText(steps []stage.Look) string {
	missing := pipeline.Missing(steps)
	if len(missing) == 0 {
		return "nothing to do: every stage is cached"
	}
	var lines []string
	for _, s := range missing {
		line := fmt.Sprintf("%s: %s", s.Name, s.Reason)
		if s.BytesToFetch > 0 {
			line += "; downloads " + store.Size(s.BytesToFetch)
		}
		if s.LastSeconds > 0 {
			line += "; last took " + progress.Duration(time.Duration(s.LastSeconds*float64(time.Second)))
		}
		if s.Objects > 0 {
			line += fmt.Sprintf("; last compiled %s, %d for a GPU", host.Count(s.Objects, "object"), s.CUDAObjects)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// lockedTargets asks for what targets name of the locked recipe.
func (a *app) lockedTargets(out string, flags *overrideFlags, targets []string) (req pipeline.Request, err error) {
	if req.Recipe, req.Lock, err = a.lockedRecipe(out, flags); err != nil {
		return req, err
	}
	req.Wheels, req.Image, err = chooseTargets(req.Recipe, targets)
	return req, err
}
