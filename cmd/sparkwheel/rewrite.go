package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

// rewriteFlags are the flags of rewrite.
type rewriteFlags struct {
	diff, write bool
	source      string
}

func (a *app) rewriteCommand() *cobra.Command {
	var f rewriteFlags
	c := &cobra.Command{
		Use:   "rewrite DIR",
		Short: "Apply the recipe's requirement rules to a source tree",
		Long: `Apply the recipe's requirement rules to the source tree in DIR: its requirement
files, those they include, and pyproject.toml. Without a flag, list what would
change; --diff shows it as a unified diff for git apply; --write changes the
files. Matches that cannot be changed, and rules that match nothing, are reported
on stderr; with must-match in the recipe, the latter is an error (exit code 3).`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.runRewrite(args[0], f) },
	}
	c.Flags().BoolVar(&f.diff, "diff", false, "print a unified diff")
	c.Flags().BoolVar(&f.write, "write", false, "write the changed files")
	c.Flags().StringVar(&f.source, "source", "", "use the rules of the recipe's source `NAME` (default the one that has rules)")
	c.MarkFlagsMutuallyExclusive("diff", "write")
	return c
}

func (a *app) runRewrite(dir string, f rewriteFlags) error {
	rules, err := a.rewriteRules(f.source)
	if err != nil {
		return err
	}
	// To open a named pipe would wait for a writer.
	if info, err := os.Stat(dir); err != nil {
		return usageErrorf("opening the tree to rewrite: %w", err)
	} else if !info.IsDir() {
		return usageErrorf("opening the tree to rewrite: %s is not a directory", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return usageErrorf("opening the tree to rewrite: %w", err)
	}
	defer root.Close()
	result, err := rewrite.Tree(root, rules)
	unmatched, isUnmatched := errors.AsType[*rewrite.UnmatchedError](err)
	if err != nil && !isUnmatched {
		return err
	}
	if isUnmatched {
		err = faultsErrorf("%w", unmatched)
	} else if f.write {
		if err := result.Write(root); err != nil {
			return err
		}
	}
	return errors.Join(a.showRewrite(result, f), err)
}

// rewriteRules are those of the named source, or of the only one that has any.
func (a *app) rewriteRules(source string) (rewrite.Rules, error) {
	r, err := a.loadRecipe()
	if err != nil {
		return rewrite.Rules{}, err
	}
	var found []recipe.Source
	var names []string
	for _, s := range r.Sources {
		names = append(names, s.Name)
		if s.Name == source || source == "" && len(s.Rewrite.Drop)+len(s.Rewrite.Pin) > 0 {
			found = append(found, s)
		}
	}
	switch {
	case source != "" && len(found) == 0:
		return rewrite.Rules{}, usageErrorf("recipe %s has no source %q; it has %s", r.Name, source, strings.Join(names, ", "))
	case len(found) == 0:
		return rewrite.Rules{}, usageErrorf("no source of recipe %s has rewrite rules", r.Name)
	case len(found) > 1:
		return rewrite.Rules{}, usageErrorf("several sources of recipe %s have rewrite rules; choose one with --source NAME", r.Name)
	}
	return found[0].Rewrite.Rules(), nil
}

// rewriteDocument is the document of `rewrite --json`.
type rewriteDocument struct {
	Changes   []requirements.Change `json:"changes"`
	Unmatched []string              `json:"unmatched"`
	Left      []requirements.Left   `json:"left"`
	// Warnings are lines that pip takes for something else than they look like.
	Warnings []requirements.Warning `json:"warnings"`
	Dynamic  []dynamicDocument      `json:"dynamic"`
	Written  bool                   `json:"written"`
}

// dynamicDocument is a field that a pyproject.toml leaves to its backend.
type dynamicDocument struct {
	File  string   `json:"file"`
	Field string   `json:"field"`
	Files []string `json:"files"`
}

func (a *app) showRewrite(result rewrite.Result, f rewriteFlags) error {
	if a.json {
		doc := rewriteDocument{
			Changes:   append([]requirements.Change{}, result.Changes...),
			Unmatched: append([]string{}, result.Unmatched...),
			Left:      append([]requirements.Left{}, result.Left...),
			Warnings:  append([]requirements.Warning{}, result.Warnings...),
			Dynamic:   []dynamicDocument{},
			Written:   f.write,
		}
		for _, d := range result.Dynamic {
			doc.Dynamic = append(doc.Dynamic, dynamicDocument{d.File, d.Field, append([]string{}, d.Files...)})
		}
		return a.result(doc, "")
	}
	for _, w := range result.Warnings {
		fmt.Fprintf(a.Stderr, "%s:%d: warning: %q: %s\n", w.File, w.Line, excerpt.Of(w.Text), w.Message)
	}
	for _, l := range result.Left {
		fmt.Fprintf(a.Stderr, "%s:%d: left %q as it is (%s): %s\n", l.File, l.Line, excerpt.Of(l.Text), l.Rule, l.Reason)
	}
	for _, u := range result.Unmatched {
		fmt.Fprintf(a.Stderr, "nothing matches the rule: %s\n", u)
	}
	if f.diff {
		_, err := fmt.Fprint(a.exactly(), result.Diff())
		return err
	}
	for _, c := range result.Changes {
		if _, err := fmt.Fprintln(a.Stdout, sayChange(c)); err != nil {
			return err
		}
	}
	return nil
}

func sayChange(c requirements.Change) string {
	before, _, more := strings.Cut(strings.TrimSpace(c.Before), "\n")
	before = excerpt.Of(before)
	if more {
		before += " ..."
	}
	if c.After == "" {
		return fmt.Sprintf("%s:%d: %s (%s)", c.File, c.Line, before, c.Rule)
	}
	return fmt.Sprintf("%s:%d: %s -> %s (%s)", c.File, c.Line, before, excerpt.Of(strings.TrimSpace(c.After)), c.Rule)
}
