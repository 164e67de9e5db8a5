package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

func (a *app) wheelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wheel",
		Short: "Inspect, verify and repair wheels",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.wheelInspectCommand(), a.wheelVerifyCommand(), a.wheelRepairCommand())
	return cmd
}

func (a *app) wheelVerifyCommand() *cobra.Command {
	var flags []string
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Report every fault of wheels, with exit code 3 if there is one",
		Long: `Reads each wheel to its last byte and reports every fault: of the archive (local
headers against the directory, overlaps, hidden and trailing bytes), of paths and
scripts, of its dist-info, and of RECORD against the content, both ways. Each
fault has a code; cmd/sparkwheel/docs/wheel-faults.md explains them. With --used,
its METADATA must also allow the versions that it was built with.

Prints one line for each wheel and each fault; --json prints
{"file","faults":[{"code","path","message"}],"warnings":[…]}, and a list of
these for several files. Warnings are unusual but legal, and do not fail the check.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			used, err := parseUsed(flags)
			if err != nil {
				return err
			}
			return a.wheelVerify(cmd.Context(), args, used)
		},
	}
	cmd.Flags().StringArrayVar(&flags, "used", nil, "the build used `NAME==VERSION`: a Requires-Dist that forbids it is a fault (repeatable)")
	return cmd
}

// wheelReport is what `wheel verify --json` says of one file.
type wheelReport struct {
	File     string        `json:"file"`
	Faults   []wheel.Fault `json:"faults"`
	Warnings []wheel.Fault `json:"warnings"`
}

func (a *app) wheelVerify(ctx context.Context, files []string, used []truth.Used) error {
	reports := make([]wheelReport, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.jobs)
	for i, file := range files {
		g.Go(func() (err error) {
			reports[i], err = verifyWheel(ctx, file, used)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := a.printWheelReports(reports); err != nil {
		return err
	}
	bad, faults := 0, 0
	own := ""
	for _, r := range reports {
		faults += len(r.Faults)
		if len(r.Faults) == 0 {
			continue
		}
		bad++
		if (&wheel.VerifyError{Faults: r.Faults}).Mendable() {
			own = fmt.Sprintf("; if it is your own build, `sparkwheel wheel repair %s` writes a valid one", r.File)
		}
	}
	if bad > 0 {
		return faultsErrorf("%d of %d wheels must not be installed: faults found: %d%s", bad, len(files), faults, own)
	}
	return nil
}

func verifyWheel(ctx context.Context, file string, used []truth.Used) (wheelReport, error) {
	r := wheelReport{File: file, Faults: []wheel.Fault{}, Warnings: []wheel.Fault{}}
	v, err := wheel.VerifyAll(ctx, file)
	r.Warnings = append(r.Warnings, v.Warnings...)
	r.Faults = append(r.Faults, v.Promises...)
	if found, ok := errors.AsType[*wheel.VerifyError](err); ok {
		r.Faults = append(found.Faults, r.Faults...)
		return r, nil
	}
	if err != nil || len(used) == 0 {
		return r, err
	}
	found, err := lies(file, used)
	r.Faults = append(r.Faults, found...)
	return r, err
}

func (a *app) printWheelReports(reports []wheelReport) error {
	if a.json {
		if len(reports) == 1 {
			return host.WriteJSON(a.Stdout, reports[0])
		}
		return host.WriteJSON(a.Stdout, reports)
	}
	for _, r := range reports {
		for _, w := range r.Warnings {
			fmt.Fprintf(a.Stderr, "%s: warning: %s\n", r.File, w)
		}
		if len(r.Faults) == 0 {
			fmt.Fprintf(a.Stdout, "%s: ok\n", r.File)
		}
		for _, f := range r.Faults {
			if _, err := fmt.Fprintf(a.Stdout, "%s: %s\n", r.File, f); err != nil {
				return err
			}
		}
	}
	return nil
}
