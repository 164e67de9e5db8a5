package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

func (a *app) verifyCommand() *cobra.Command {
	var flags overrideFlags
	var reg registryFlags
	var out string
	cmd := &cobra.Command{
		Use:   "verify [TARGET...]",
		Short: "Rebuild wheels and packages under varied conditions and compare the bytes",
		Long: "Rebuild each wheel, and what each [[build]] makes, with another time, number of jobs, umask, home, host\n" +
			"name and directory order, without the compiler cache, and report that it is equal or which members differ\n" +
			"(exit code 3). A TARGET is the name of a wheel or of a [[build]] in the recipe, or `wheels` (the default:\n" +
			"all of them). To check a wheel file, use `sparkwheel wheel verify`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runVerify(cmd.Context(), out, &flags, &reg, args)
		},
	}
	flags.register(cmd)
	reg.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "out", "`DIR` that holds the lock of an embedded recipe")
	return cmd
}

func (a *app) runVerify(ctx context.Context, out string, flags *overrideFlags, reg *registryFlags, targets []string) error {
	req, err := a.lockedTargets(out, flags, targets)
	if err != nil {
		return err
	}
	if req.Env, err = a.openEnv(reg); err != nil {
		return err
	}
	defer req.Env.Store.Close()
	g := &stage.Graph{Logs: a.logs(req.Env), Clock: time.Now}
	s, err := pipeline.Verify(g, req)
	if err != nil {
		return classify(ctx, err)
	}
	if err := a.runGraph(ctx, g); err != nil {
		return classify(ctx, err)
	}
	return a.sayVerdicts(s.Value())
}

func (a *app) sayVerdicts(verdicts []wheels.Verdict) error {
	var lines, differ []string
	for _, v := range verdicts {
		line := v.File
		if v.SHA256 != "" { // links have none
			line += " sha256:" + v.SHA256
		}
		if v.Equal {
			line += " equal"
		} else {
			line += " differs when rebuilt:\n" + v.Difference
			differ = append(differ, v.File)
		}
		lines = append(lines, line)
	}
	if err := a.result(map[string]any{"wheels": verdicts}, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if len(differ) > 0 {
		return faultsErrorf("%s: the bytes differ when rebuilt", strings.Join(differ, ", "))
	}
	return nil
}
