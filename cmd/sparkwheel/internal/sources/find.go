package sources

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// Found is the commit that a source's ref names. Where it holds uncommitted
// changes of a checkout, Head is the commit that they are on.
type Found struct {
	Commit, Head git.Commit
	Pulls        []recipe.LockedPull
}

// Pinned is what a lock has found.
func Pinned(l recipe.LockedSource) Found {
	f := Found{Commit: git.Commit{Hash: l.Commit, Time: l.Time, Tree: l.Tree}, Pulls: l.Pulls}
	if l.Dirty {
		f.Head = git.Commit{Hash: l.Head, Time: l.Time}
	}
	return f
}

func (f Found) dirty() bool { return f.Head.Hash != "" && f.Head.Hash != f.Commit.Hash }

// described is the commit whose tags say which version this is.
func (f Found) described() git.Commit {
	if f.dirty() {
		return f.Head
	}
	return f.Commit
}

// Find asks what a source's ref names now. A checkout on this host is taken
// with its uncommitted changes where the recipe says so, and must have none
// where it does not.
func Find(ctx context.Context, env host.Env, src recipe.Source, dir string, run *stage.Run) (Found, error) {
	env, err := reaching(env, src, dir)
	if err != nil {
		return Found{}, err
	}
	if src.Dirty {
		s, err := env.Mirrors.Snapshot(ctx, src.Git.URL, run)
		if err != nil {
			return Found{}, fmt.Errorf("source %s: %w", src.Name, err)
		}
		if s.Dirty() {
			run.Note("%s is used with its uncommitted changes: what is built cannot be rebuilt elsewhere", src.Git.URL)
		}
		return Found{Commit: s.Commit, Head: s.Head}, nil
	}
	c, err := env.Mirrors.Resolve(ctx, src.Git)
	if err != nil {
		return Found{}, err
	}
	untracked, err := env.Mirrors.CheckClean(ctx, src.Git, c)
	if err != nil {
		return Found{}, fmt.Errorf("source %s: %w", src.Name, err)
	}
	if len(untracked) > 0 {
		run.Note("%s: left out, not committed: %s", src.Name, strings.Join(untracked, ", "))
	}
	host.Logf(run, "%s is commit %s of %s", src.Git.Ref, c.Hash, c.Time.UTC().Format(time.RFC3339))
	return Found{Commit: c}, nil
}

// reaching is the host as it reads a source: paths are those of the recipe that
// names them, and of nothing that is fetched.
func reaching(env host.Env, src recipe.Source, dir string) (host.Env, error) {
	if !src.Local {
		return env, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return env, err
	}
	m := *env.Mirrors
	m.Local = abs
	env.Mirrors = &m
	return env, nil
}

// again says how a checkout differs from what a lock pins of it: what was
// locked is built, as of any source. Uncommitted changes that the checkout still
// has come into the mirrors.
func again(ctx context.Context, env host.Env, a At, run *stage.Run) {
	now, err := here(ctx, env, a, run)
	switch {
	case isDirty(err):
		run.Note("%s: %v, which are left out", a.Name, err)
	case err != nil:
		host.Logf(run, "%v", err) // it may be gone: the store may have what is locked
	case now.Hash != a.Commit.Hash:
		run.Note("%s has changed since it was locked; `sparkwheel lock --upgrade=%s` locks it as it is now", a.Git.URL, a.Name)
	}
}

func here(ctx context.Context, env host.Env, a At, run *stage.Run) (git.Commit, error) {
	if a.dirty() {
		s, err := env.Mirrors.Snapshot(ctx, a.Git.URL, run)
		return s.Commit, err
	}
	c, err := env.Mirrors.Resolve(ctx, a.Git)
	if err == nil {
		_, err = env.Mirrors.CheckClean(ctx, a.Git, c)
	}
	return c, err
}

func isDirty(err error) bool {
	_, ok := errors.AsType[*git.DirtyError](err)
	return ok
}
