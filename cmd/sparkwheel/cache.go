package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Measure, clean and check the store",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.cacheUsageCommand(), a.cacheCleanCommand(), a.cacheVerifyCommand())
	return cmd
}

func (a *app) cacheUsageCommand() *cobra.Command {
	var entries bool
	cmd := &cobra.Command{
		Use:   "du",
		Short: "Show how much disk space the store uses",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(s store.Store) error { return a.cacheUsage(cmd.Context(), s, entries) })
		},
	}
	cmd.Flags().BoolVar(&entries, "entries", false, "list every entry, largest first")
	return cmd
}

// withStore opens the store of the flags for one piece of work.
func (a *app) withStore(work func(store.Store) error) error {
	s, err := store.Open(a.store)
	if err != nil {
		return err
	}
	return errors.Join(work(s), s.Close())
}

// usageDocument is the --json document of cache du.
type usageDocument struct {
	Store   string        `json:"store"`
	Bytes   int64         `json:"bytes"`
	Free    int64         `json:"free"`
	Kinds   []store.Usage `json:"kinds"`
	Entries []store.Entry `json:"entries,omitempty"`
}

func (a *app) cacheUsage(ctx context.Context, s store.Store, entries bool) error {
	kinds, err := s.Usage(ctx)
	if err != nil {
		return err
	}
	free, err := s.Free()
	if err != nil {
		return err
	}
	doc := usageDocument{Store: s.Dir, Free: free, Kinds: kinds}
	for _, k := range kinds {
		doc.Bytes += k.Bytes
	}
	if entries {
		if doc.Entries, err = s.Entries(ctx); err != nil {
			return err
		}
		sortLargest(doc.Entries)
	}
	if a.json {
		return a.result(doc, "")
	}
	return a.writeUsage(doc)
}

func (a *app) writeUsage(doc usageDocument) error {
	table := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, e := range doc.Entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", store.Size(e.Bytes), e.Used.Format(time.DateOnly), e.ID, e.Name)
	}
	for _, k := range doc.Kinds {
		fmt.Fprintf(table, "%s\t%s\t%s\n", store.Size(k.Bytes), host.Count(k.Entries, "entry"), k.Kind)
	}
	fmt.Fprintf(table, "%s\ttotal\t%s\n%s\tfree\t\n", store.Size(doc.Bytes), doc.Store, store.Size(doc.Free))
	return table.Flush()
}

func (a *app) cacheVerifyCommand() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read the whole store and report what is damaged",
		Long: `Verify reads every blob, every file of bases, tools and outputs, and every
object of the git mirrors, and checks their digests. It exits with code 3 if
anything is damaged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(s store.Store) error { return a.cacheVerify(cmd.Context(), s, remove) })
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove what is damaged; the next run downloads or makes it again")
	return cmd
}

// verifyDocument is the --json document of cache verify.
type verifyDocument struct {
	Faults []store.Fault `json:"faults"`
	Left   []store.Entry `json:"left,omitempty"` // by runs that died
}

func (a *app) cacheVerify(ctx context.Context, s store.Store, remove bool) error {
	var g stage.Graph
	verified := stage.Add(&g, "verify", func(ctx context.Context, r *stage.Run) ([]store.Fault, error) {
		return s.Verify(ctx, git.CheckMirror, r.Progress)
	})
	if err := a.runGraph(ctx, &g); err != nil {
		return err
	}
	faults := verified.Value()
	left, err := s.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, e := range left {
		fmt.Fprintf(a.Stderr, "%s (%s): %s; `sparkwheel cache gc` removes it\n", e.ID, store.Size(e.Bytes), e.Name)
	}
	var ids, lines []string
	for _, f := range faults {
		ids = append(ids, f.ID)
		lines = append(lines, f.ID+": "+strings.ReplaceAll(f.Message, "\n", "; "))
	}
	if remove {
		if err := s.Remove(ids...); err != nil {
			return err
		}
	}
	if len(faults) == 0 {
		return a.result(verifyDocument{[]store.Fault{}, left}, "no faults in "+s.Dir)
	}
	if err := a.result(verifyDocument{faults, left}, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if remove {
		return faultsErrorf("removed %s, damaged, from %s", host.Count(len(faults), "entry"), s.Dir)
	}
	return faultsErrorf("damaged: %s of %s; remove them with `sparkwheel cache verify --remove`", host.Count(len(faults), "entry"), s.Dir)
}

// parseAge reads a duration, with days.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, usageErrorf("--unused-for %q is not a number of days; give one such as 30d or 12h", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, usageErrorf("--unused-for %q is not a duration; give one such as 30d or 12h", s)
	}
	return d, nil
}
