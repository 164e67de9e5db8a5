package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func (a *app) planCommand() *cobra.Command {
	var flags overrideFlags
	var reg registryFlags
	var out string
	cmd := &cobra.Command{
		Use:   "plan [TARGET...]",
		Short: "Show what a build would do, and why",
		Long:  "Show each stage of a build that is not in the store, which of its inputs changed,\nwhat it would bring and how long it last took. Nothing runs and nobody is asked.",
		RunE: func(_ *cobra.Command, args []string) error {
			return a.runPlan(out, &flags, &reg, args)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "out", "`DIR` that holds the lock of an embedded recipe")
	return cmd
}

func (a *app) runPlan(out string, flags *overrideFlags, reg *registryFlags, targets []string) error {
	r, l, names, image, err := a.lockedTargets(out, flags, targets)
	if err != nil {
		return err
	}
	env, err := a.openEnv(reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	steps, err := pipeline.Plan(env, r, l, names, image)
	if err != nil {
		return notLocked(err)
	}
	return a.result(map[string]any{"stages": steps}, planText(steps))
}

func planText(steps []pipeline.Step) string {
	missing := pipeline.Missing(steps)
	if len(missing) == 0 {
		return "nothing to do: every stage is in the store"
	}
	var lines []string
	for _, s := range missing {
		line := fmt.Sprintf("%s: %s", s.Name, s.Reason)
		if s.BytesToFetch > 0 {
			line += "; brings " + store.Size(s.BytesToFetch)
		}
		if s.LastSeconds > 0 {
			line += "; last took " + progress.Duration(time.Duration(s.LastSeconds*float64(time.Second)))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// lockedRecipe is the recipe with the lock that must cover what was asked.
func (a *app) lockedRecipe(out string, flags *overrideFlags) (*recipe.Recipe, *recipe.Lock, error) {
	r, o, err := a.recipeAndOverride(flags)
	if err != nil {
		return nil, nil, err
	}
	path := a.lockPath(r, out)
	l, err := recipe.LoadLock(path, r)
	if err == nil {
		err = l.Covers(path, r, o)
	}
	return r, l, notLocked(err)
}

// lockedTargets is the locked recipe, its wheels that targets name (nil means
// every one), and whether they name the image.
func (a *app) lockedTargets(out string, flags *overrideFlags, targets []string) (r *recipe.Recipe, l *recipe.Lock, names []string, image bool, err error) {
	if r, l, err = a.lockedRecipe(out, flags); err != nil {
		return nil, nil, nil, false, err
	}
	names, image, err = chooseTargets(r, targets)
	return r, l, names, image, err
}
