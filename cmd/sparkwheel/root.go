package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// environment is all that a run takes from the process it runs in.
type environment struct {
	Getenv         func(string) string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// app is one run: its environment and the flags that every command knows.
type app struct {
	environment
	recipe   string
	lock     string
	store    string
	mirrors  []string
	offline  bool
	jobs     int
	json     bool
	progress string
	verbose  bool
	wire     http.RoundTripper // see network

	screen io.Writer // Stderr as it is, for displays that move
	pipe   io.Writer // Stdout as it is, see exactly
	mu     sync.Mutex
	shown  *watched // the display that is open
}

// run is main without the process: it returns the exit code of the design
// (see exit.go).
func run(ctx context.Context, args []string, env environment) int {
	a := &app{environment: env, screen: env.Stderr, pipe: env.Stdout}
	a.Stdout, a.Stderr = quote(env.Stdout), quote(env.Stderr)
	env = a.environment
	root := a.rootCommand()
	root.SetArgs(args)
	err := a.announcing(ctx, root.ExecuteContext)
	if err == nil {
		return codeDone
	}
	err = classify(ctx, err)
	code := exitCode(err)
	if a.unwritable(err) {
		code = codeDisk
	}
	if msg := remedy.Text(err); msg != "" {
		fmt.Fprintf(env.Stderr, "sparkwheel: %s\n", msg)
	}
	if exit, ok := errors.AsType[*sandbox.ExitError](err); ok && len(exit.Tail) > 0 {
		fmt.Fprintf(env.Stderr, "its last lines:\n%s\n", strings.TrimRight(string(exit.Tail), "\n"))
	}
	if errors.Is(err, syscall.ENOSPC) && !isError[*store.FullError](err) {
		fmt.Fprintln(env.Stderr, "the disk is full: free some with `sparkwheel cache gc`, or give --store or -o a directory on a larger disk")
	}
	if a.unwritable(err) {
		fmt.Fprintf(env.Stderr, "the store %s cannot be written: give --store a directory that you can write to\n", a.store)
	}
	return code
}

// unwritable is whether an error is of writing into the store, and does not say
// so itself.
func (a *app) unwritable(err error) bool {
	if isError[*store.ReadOnlyError](err) || !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		return false
	}
	path, ok := errors.AsType[*fs.PathError](err)
	if !ok || a.store == "" {
		return false
	}
	rel, relErr := filepath.Rel(a.store, path.Path)
	return relErr == nil && filepath.IsLocal(rel)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sparkwheel",
		Short:         "Build vLLM and FlashInfer wheels for GB10 and ship them as OCI layers, without a daemon",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.checkGlobals()
		},
	}
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageErrorf("%w; see `%s --help`", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVarP(&a.recipe, "recipe", "r", "", "recipe `FILE` or name of an embedded one (default that of a bundle's --lock, else ./sparkwheel.toml, else spark)")
	f.StringVar(&a.lock, "lock", "", "lock `FILE` (default next to the recipe's file, or DIR/sparkwheel.lock for an embedded recipe)")
	f.StringVar(&a.store, "store", "", "store `DIR` (default $XDG_CACHE_HOME/sparkwheel)")
	f.StringArrayVar(&a.mirrors, "mirror", nil, "download URLs that start with PREFIX from BASE instead, `PREFIX=BASE` (repeatable)")
	f.BoolVar(&a.offline, "offline", false, "make no network connections")
	f.IntVarP(&a.jobs, "jobs", "j", runtime.NumCPU(), "run `N` jobs at once")
	f.BoolVar(&a.json, "json", false, "print one JSON document on stdout")
	f.StringVar(&a.progress, "progress", "auto", "progress display: `auto|tty|plain|json|none`")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print more on stderr")
	root.AddCommand(a.commands()...)
	usageArgs(root)
	return root
}

// usageArgs makes a wrong number of arguments, and an unknown command, exit with
// codeUsage, at any depth.
func usageArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				return nil
			}
			if near := nearestCommand(cmd, args); near != nil {
				return usageErrorf("%w; did you mean `%s`?", err, near.CommandPath())
			}
			return usageErrorf("%w; see `%s --help`", err, cmd.CommandPath())
		}
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// nearestCommand is the command below c that the first argument is nearly the
// name of, or nil.
func nearestCommand(c *cobra.Command, args []string) *cobra.Command {
	byName := map[string]*cobra.Command{}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			byName[sub.Name()] = sub
		}
	}
	if len(args) == 0 {
		return nil
	}
	return byName[recipe.Nearest(args[0], slices.Sorted(maps.Keys(byName)))]
}

func (a *app) checkGlobals() error {
	switch a.progress {
	case "auto", "tty", "plain", "json", "none":
	default:
		return usageErrorf("--progress %q is not one of auto, tty, plain, json, none", a.progress)
	}
	if a.jobs < 1 {
		return usageErrorf("--jobs %d: at least one job is needed", a.jobs)
	}
	if a.store == "" {
		dir, err := a.defaultStore()
		if err != nil {
			return err
		}
		a.store = dir
	}
	dir, err := filepath.Abs(a.store)
	a.store = dir
	return err
}

func (a *app) defaultStore() (string, error) {
	if dir := a.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "sparkwheel"), nil
	}
	if home := a.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "sparkwheel"), nil
	}
	return "", usageErrorf("no directory for the store: neither XDG_CACHE_HOME nor HOME is set; give --store DIR")
}
