package sources

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// Pull is a pull request of the recipe and what became of it.
type Pull struct {
	recipe.LockedPull
	State string `json:"state,omitempty"` // PatchAlreadyIn; "" is merged
	Tree  string `json:"tree"`            // of the source when it was merged
}

func (p Pull) String() string {
	if p.State != "" {
		return fmt.Sprintf("pull request %d (%.12s): %s", p.Number, p.Head, p.State)
	}
	return fmt.Sprintf("pull request %d (%.12s): merged", p.Number, p.Head)
}

// FindPulls asks for the heads of a source's pull requests, and where they part
// from its commit. What before, an earlier lock of that commit, has of one stays.
func FindPulls(ctx context.Context, env host.Env, a At, before []recipe.LockedPull, run *stage.Run) ([]recipe.LockedPull, error) {
	env, err := reaching(env, a.Source, a.Dir)
	if err != nil {
		return nil, err
	}
	var all []recipe.LockedPull
	for _, n := range a.Source.Pulls {
		if i := slices.IndexFunc(before, func(p recipe.LockedPull) bool { return p.Number == n }); i >= 0 {
			all = append(all, before[i])
			continue
		}
		pull := git.Pull{Number: n}
		head, err := env.Mirrors.Resolve(ctx, git.Source{URL: a.Git.URL, Ref: pull.Ref()})
		if err != nil {
			return nil, fmt.Errorf("source %s: pull request %d: %w", a.Name, n, err)
		}
		base, err := env.Mirrors.MergeBase(ctx, a.Git.URL, a.described().Hash, head.Hash, run)
		if err != nil {
			return nil, fmt.Errorf("source %s: pull request %d: %w", a.Name, n, err)
		}
		all = append(all, recipe.LockedPull{Number: n, Head: head.Hash, Base: base})
	}
	return all, nil
}

// merged is the source's commit with its pull requests merged into it.
func (a At) merged(ctx context.Context, env host.Env, r *stage.Run) (git.Commit, []Pull, error) {
	c := a.Commit
	if len(a.Found.Pulls) == 0 {
		return c, nil, nil
	}
	if err := env.Mirrors.Fetch(ctx, a.Git.URL, c, a.Git.Ref, r); err != nil {
		return c, nil, err
	}
	var all []Pull
	for _, p := range a.Found.Pulls {
		next, err := env.Mirrors.Merge(ctx, a.Git.URL, c, git.Pull{Number: p.Number, Head: p.Head, Base: p.Base}, r)
		if err != nil {
			return c, nil, fmt.Errorf("source %s: %w", a.Name, err)
		}
		done := Pull{LockedPull: p, Tree: next.Tree}
		if next.Hash == c.Hash {
			done.State = PatchAlreadyIn
		}
		all, c = append(all, done), next
	}
	return c, all, nil
}

// HowToCheck are the git commands by which anyone comes to the tree of a source
// into which pull requests were merged; the last one prints it.
func HowToCheck(l recipe.LockedSource) []string {
	if len(l.Pulls) == 0 {
		return nil
	}
	fetch := []string{"git", "fetch", l.URL, l.Commit}
	ours, merge := l.Commit, ""
	for _, p := range l.Pulls {
		fetch = append(fetch, p.Head)
		merge = strings.Join([]string{"git", "merge-tree", "--write-tree", "-X", "no-renames", "--merge-base", p.Base, ours, p.Head}, " ")
		ours = "$(" + merge + ")"
	}
	return []string{"git init -q check && cd check", strings.Join(fetch, " "), merge}
}
