package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/doctor"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host can build the recipe, and say what to do if not",
		Long: `Doctor tries what a build needs: it reads the platform, kernel, memory, disk and
GPU, and starts a child in namespaces that really mounts. Each check reports what
was found, what is needed and the remedy. It exits with code 3 if a build cannot run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// hostReport is one host of doctor's JSON document.
type hostReport struct {
	Host   string         `json:"host"`
	Checks []doctor.Check `json:"checks"`
}

func (a *app) doctor(ctx context.Context) error {
	r, err := a.loadRecipe()
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	host := doctor.Host{
		Root:     os.DirFS("/"),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		User:     os.Geteuid(),
		Store:    examineStore(a.store),
		Sandbox:  sandbox.Probe(ctx),
	}
	report := hostReport{name, host.Examine(needsOf(r))}
	if err := a.printDoctor(report); err != nil {
		return err
	}
	if !doctor.CanBuild(report.Checks) {
		return faultsErrorf("recipe %s cannot be built on this host; each FAULT above has its remedy", r.Name)
	}
	return nil
}

// needsOf is what building a recipe asks of a host. The disk is what the
// sources, the base and the outputs take: tens of gigabytes where CUDA is.
func needsOf(r *recipe.Recipe) doctor.Needs {
	n := doctor.Needs{Recipe: r.Name, Memory: 1 << 30, Disk: 5 << 30}
	if r.Target.CUDA != "" {
		n.Disk = 100 << 30
	}
	if r.Target.Platform != "host" {
		n.Platform = r.Target.Platform
	}
	for _, w := range r.Wheels {
		n.Memory = max(n.Memory, w.MemoryPerJob)
	}
	return n
}

// examineStore opens the store as a build would.
func examineStore(dir string) doctor.Store {
	s, err := store.Open(dir)
	if err != nil {
		return doctor.Store{Dir: dir, Err: err}
	}
	defer s.Close()
	if err := s.Writable(); err != nil {
		return doctor.Store{Dir: dir, Err: err}
	}
	free, err := s.Free()
	return doctor.Store{Dir: dir, Free: free, Err: err}
}

func (a *app) printDoctor(report hostReport) error {
	if a.json {
		return host.WriteJSON(a.Stdout, map[string][]hostReport{"hosts": {report}})
	}
	return writeChecks(a.Stdout, report.Checks)
}

// writeChecks writes the table, then the remedies, which may have many lines.
func writeChecks(w io.Writer, checks []doctor.Check) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tCHECK\tFOUND\tNEEDED")
	for _, c := range checks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", mark(c), c.Name, c.Found, c.Needed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range checks {
		if c.OK || c.Remedy == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n", c.Name, strings.ReplaceAll(c.Remedy, "\n", "\n    ")); err != nil {
			return err
		}
	}
	return nil
}

func mark(c doctor.Check) string {
	switch {
	case c.OK:
		return "ok"
	case c.Required:
		return "FAULT"
	}
	return "note"
}
