package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
		Long: "Resolve every input of the recipe and write the lock. Pins of an earlier lock are kept where\n" +
			"the recipe has not changed; --upgrade resolves them again.",
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
	path := a.lockPath(r, out)
	if a.lock == "" && r.Path != "" {
		path = r.Path[:len(r.Path)-len(filepath.Ext(r.Path))] + ".lock"
	}
	reg.loginAt(flags.base)
	env, err := a.openEnv(reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	before, err := recipe.ReadLock(path)
	if err != nil && !errors.Is(err, recipe.ErrNoLock) {
		return err
	}
	wanted, err := r.With(o)
	if err != nil {
		return usageErrorf("%w", err)
	}
	ask, err := upgrades(wanted, before, upgrade)
	if err != nil {
		return err
	}
	l, err := a.makeLock(ctx, env, wanted, before, ask)
	if err != nil {
		return classify(ctx, err)
	}
	if err := l.Save(path); err != nil {
		return err
	}
	if before != nil {
		for _, line := range recipe.Diff(before, l) {
			fmt.Fprintln(a.Stderr, line)
		}
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

// makeLock asks what every name in the recipe means now, keeping of before
// what upgrade does not name.
func (a *app) makeLock(ctx context.Context, env host.Env, r *recipe.Recipe, before *recipe.Lock, upgrade pipeline.Upgrade) (*recipe.Lock, error) {
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	s, err := pipeline.Resolve(g, pipeline.Request{Env: env, Recipe: r}, before, upgrade)
	if err != nil {
		return nil, err
	}
	if err := a.runGraph(ctx, g); err != nil {
		return nil, err
	}
	return s.Value(), nil
}

// runGraph runs a graph with the progress that the flags ask for.
func (a *app) runGraph(ctx context.Context, g *stage.Graph) error {
	display := a.display()
	err := g.Run(ctx, a.jobs, display)
	return errors.Join(err, display.Close())
}

// logs is where this run's stage logs are kept.
func (a *app) logs(env host.Env) string { return env.Store.RunLogs(time.Now()) }
