package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

func (a *app) sourceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "source",
		Short: "Export or describe a fixed ref of a git repository",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.sourceExportCommand(), a.sourceDescribeCommand())
	return c
}

// exported is the document of `source export --json`.
type exported struct {
	URL           string              `json:"url"`
	Ref           string              `json:"ref"`
	Commit        string              `json:"commit"`
	Time          time.Time           `json:"time"`
	Tree          string              `json:"tree"`
	Files         int                 `json:"files"`
	Bytes         int64               `json:"bytes"`
	BytesReceived int64               `json:"bytes_received"`
	Submodules    []exportedSubmodule `json:"submodules"`
}

type exportedSubmodule struct {
	Path   string `json:"path"`
	URL    string `json:"url"`
	Commit string `json:"commit"`
}

func (a *app) sourceExportCommand() *cobra.Command {
	var opt git.CheckoutOptions
	c := &cobra.Command{
		Use:   "export URL REF DIR",
		Short: "Write the tree of a ref as plain files, submodules included",
		Long: `Write the tree of a ref as plain files into DIR, which must be missing or empty.
URL is https, http, ssh (also git@host:path) or the path of a local repository.
Submodules are included at the commits that the tree records; --submodule PATH
(repeatable) includes only those. The full SHA goes to stdout.

What was fetched is cached uncompressed, so that the next export of the commit
copies it: it takes about as much disk space as the tree itself.`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(opt.Submodules) == 0 {
				opt.Submodules = []string{"*"}
			}
			opt.Jobs, opt.Ref = a.jobs, args[1]
			return a.exportSource(cmd.Context(), git.Source{URL: args[0], Ref: args[1]}, args[2], opt)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&opt.Submodules, "submodule", nil, "include only the submodule at `PATH` (repeatable; default all)")
	f.BoolVar(&opt.GitDir, "git-dir", false, "add a .git in which `git rev-parse HEAD` works")
	f.BoolVar(&opt.Verify, "verify", false, "read back what was written and compare its tree hash")
	return c
}

// openMirrors are the git mirrors of a whole store, for repositories named by
// a path from the working directory too.
func (a *app) openMirrors() (*git.Mirrors, error) {
	if _, err := store.Open(a.store); err != nil {
		return nil, err
	}
	m, err := a.gitMirrors()
	if err != nil {
		return nil, err
	}
	m.Local, err = filepath.Abs(".")
	return m, err
}

func (a *app) exportSource(ctx context.Context, src git.Source, dir string, opt git.CheckoutOptions) error {
	m, err := a.openMirrors()
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	g := &stage.Graph{Clock: time.Now}
	resolved := stage.Add(g, "resolve", func(ctx context.Context, run *stage.Run) (git.Commit, error) {
		c, err := m.Resolve(ctx, src)
		if err != nil {
			return c, err
		}
		untracked, err := m.CheckClean(ctx, src, c)
		if len(untracked) > 0 {
			run.Note("left out, not committed: %s", strings.Join(untracked, ", "))
		}
		return c, err
	})
	written := stage.Add(g, "export", func(ctx context.Context, run *stage.Run) (git.Tree, error) {
		t, err := m.Checkout(ctx, src.URL, resolved.Value(), dir, opt, run)
		if len(t.Pointers) > 0 {
			run.Note("written as Git LFS pointers, whose content is not fetched: %s", strings.Join(t.Pointers, ", "))
		}
		return t, err
	}, resolved)
	if err := a.runGraph(ctx, g); err != nil {
		return classify(ctx, offlineSource(err, "export"))
	}
	commit, tree := resolved.Value(), written.Value()
	doc := exported{
		URL: src.URL, Ref: src.Ref, Commit: commit.Hash, Time: commit.Time, Tree: tree.Hash,
		Files: tree.Files, Bytes: tree.Bytes, BytesReceived: tree.Received, Submodules: []exportedSubmodule{},
	}
	for _, s := range tree.Submodules {
		doc.Submodules = append(doc.Submodules, exportedSubmodule(s))
	}
	return a.result(doc, commit.Hash)
}

// offlineSource names the command that brings what an offline one lacked.
// What a ref names only the server can say, so that one needs the full SHA.
func offlineSource(err error, verb string) error {
	if !errors.Is(err, git.ErrOffline) {
		return err
	}
	return &codeError{codeNotLocked, remedy.With(err, fmt.Sprintf("run `sparkwheel source %s` once without --offline, and then with the full SHA", verb))}
}

// described is the document of `source describe --json`.
type described struct {
	URL      string    `json:"url"`
	Ref      string    `json:"ref"`
	Commit   string    `json:"commit"`
	Time     time.Time `json:"time"`
	Tag      string    `json:"tag"`
	Distance int       `json:"distance"`
	Version  string    `json:"version"`
}

func (a *app) sourceDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe URL REF",
		Short: "Print a ref's commit, time, nearest tag and scm version",
		Long: `Print a ref's full SHA, its commit time, the nearest tag with the distance from
it, and the version that setuptools_scm computes. It reads the server's tags each
time, and downloads commits that are not cached, but no files. With --offline, a
full SHA that was described before is described as it was then.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.describeSource(cmd.Context(), git.Source{URL: args[0], Ref: args[1]})
		},
	}
}

func (a *app) describeSource(ctx context.Context, src git.Source) error {
	m, err := a.openMirrors()
	if err != nil {
		return err
	}
	g := &stage.Graph{Clock: time.Now}
	resolved := stage.Add(g, "resolve", func(ctx context.Context, _ *stage.Run) (git.Commit, error) {
		return m.Resolve(ctx, src)
	})
	found := stage.Add(g, "describe", func(ctx context.Context, run *stage.Run) (git.Description, error) {
		d, err := m.Describe(ctx, src.URL, resolved.Value(), run)
		if errors.Is(err, git.ErrNoTag) {
			run.Note("%v", err)
			return git.Description{}, nil
		}
		return d, err
	}, resolved)
	if err := a.runGraph(ctx, g); err != nil {
		return classify(ctx, offlineSource(err, "describe"))
	}
	commit, d := resolved.Value(), found.Value()
	doc := described{URL: src.URL, Ref: src.Ref, Commit: commit.Hash, Time: commit.Time, Tag: d.Tag, Distance: d.Distance}
	line := fmt.Sprintf("commit   %s\ntime     %s", doc.Commit, doc.Time.Format(time.RFC3339))
	if d.Tag != "" {
		v, err := version.FromSCM(version.Description(d), false, commit.Time)
		if err != nil {
			return fmt.Errorf("finding the version of %s: %w", commit.Hash, err)
		}
		doc.Version = v.String()
		line += fmt.Sprintf("\ndescribe %s\nversion  %s", d, doc.Version)
	}
	return a.result(doc, line)
}
