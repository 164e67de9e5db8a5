package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

func (f *overrideFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.refs, "ref", nil, "build source `NAME=REF` instead of the recipe's ref (repeatable)")
	cmd.Flags().StringVar(&f.vllm, "vllm-ref", "", "the same as --ref vllm=`REF`")
	cmd.Flags().StringVar(&f.flashinfer, "flashinfer-ref", "", "the same as --ref flashinfer=`REF`")
	cmd.Flags().TextVar(&f.base, "base", imagename.Name{}, "`BASE` image instead of the recipe's: "+imagename.Forms)
}

func (a *app) lockCommand() *cobra.Command {
	var overrides overrideFlags
	var reg registryFlags
	var out string
	var upgrade []string
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Resolve every input of the recipe and write the lock",
		Long: "Resolve every input of the recipe and write the lock: next to the recipe's file, or to DIR for an\n" +
			"embedded recipe. Pins of an earlier lock are kept where the recipe has not changed. A ref that means\n" +
			"another commit now is reported; --upgrade=NAME takes that commit.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runLock(cmd.Context(), out, &overrides, &reg, upgrade)
		},
	}
	overrides.register(cmd)
	reg.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "out", "`DIR` for the lock of an embedded recipe")
	cmd.Flags().StringSliceVar(&upgrade, "upgrade", nil, "resolve `NAME` again (everything if omitted): a source, a wheel's environment, what its CMake files fetch, the packages of a build, a package, packages, a file, a manifest, base, uv, runtime")
	cmd.Flags().Lookup("upgrade").NoOptDefVal = upgradeAll
	return cmd
}

func (a *app) runLock(ctx context.Context, out string, flags *overrideFlags, reg *registryFlags, upgrade []string) error {
	r, o, err := a.recipeAndOverride(flags)
	if err != nil {
		return err
	}
	if a.offline {
		return notLockedErrorf("lock resolves names over the network, and --offline forbids it; run `sparkwheel lock` without --offline")
	}
	path, held := a.lockPath(r, out), a.heldLock(r, out)
	reg.loginAt(flags.base)
	env, err := a.openEnv(reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	before, err := recipe.ReadLock(held)
	if err != nil && !errors.Is(err, recipe.ErrNoLock) {
		return err
	}
	ask, err := upgrades(r, before, upgrade)
	if err != nil {
		return err
	}
	ask.Compare = true
	if err := a.writeLock(ctx, env, wanted{recipe: r, override: o, before: before, upgrade: ask}, path); err != nil {
		return classify(ctx, err)
	}
	return a.result(map[string]any{"lock": path}, path)
}

func (a *app) recipeAndOverride(flags *overrideFlags) (*recipe.Recipe, recipe.Override, error) {
	r, err := a.loadRecipe()
	if err != nil {
		return nil, recipe.Override{}, err
	}
	o, err := flags.override()
	return r, o, err
}

// upgradeAll is the value of --upgrade without a name; no source can be called so.
const upgradeAll = "*"

// upgrades reads --upgrade, and refuses a name that neither the recipe has nor
// the earlier lock, which names what CMake files fetch.
func upgrades(r *recipe.Recipe, before *recipe.Lock, names []string) (pipeline.Upgrade, error) {
	if slices.Contains(names, upgradeAll) {
		return pipeline.Upgrade{All: true}, nil
	}
	known := []string{"base", "uv", "runtime"}
	if !r.Packages.Empty() {
		known = append(append(known, "packages"), r.Packages.Names()...)
	}
	for _, s := range r.Sources {
		known = append(known, s.Name)
	}
	for _, b := range r.Builds {
		known = append(known, b.Name)
	}
	for _, w := range r.Wheels {
		known = append(known, w.Name)
		if before == nil {
			continue
		}
		if old, ok := before.Wheel(w.Name); ok {
			for _, c := range old.FetchContent {
				known = append(known, strings.ToLower(c.Name))
			}
		}
	}
	for _, f := range r.Files {
		known = append(known, f.Name)
	}
	for _, m := range r.Manifests {
		known = append(known, m.Name)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return pipeline.Upgrade{}, usageErrorf("--upgrade=%s: nothing to upgrade in recipe %s has that name; choose from %s", n, r.Name, strings.Join(known, ", "))
		}
	}
	return pipeline.Upgrade{Names: names}, nil
}

// runGraph runs a graph with the progress that the flags ask for.
func (a *app) runGraph(ctx context.Context, g *stage.Graph) error {
	display := a.display()
	err := g.Run(ctx, a.jobs, display)
	return errors.Join(err, display.Close())
}

// logs is where this run's stage logs are kept.
func (a *app) logs(env host.Env) string { return env.Store.RunLogs(time.Now()) }
