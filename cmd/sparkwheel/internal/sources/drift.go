package sources

import (
	"context"
	"errors"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
)

// NoteDrift asks what the ref of a locked source means now, and notes on run
// where that is not what is locked. That the repository cannot be asked is no
// fault: nothing of it is needed.
func NoteDrift(ctx context.Context, env host.Env, a At, run *stage.Run) {
	if a.Local {
		here, err := reaching(env, a.Source, a.Dir)
		if err != nil {
			host.Logf(run, "%v", err)
			return
		}
		again(ctx, here, a, run)
		return
	}
	Drift{Name: a.Name, Git: a.Git, Commit: a.Commit.Hash, Upgrade: a.Name}.Note(ctx, env, run)
}

// Drift is a ref beside the commit that it was locked at. Upgrade is what
// --upgrade calls it.
type Drift struct {
	Name, Commit, Upgrade string
	Git                   git.Source
}

// Note asks what the ref means now and notes on run where that is another commit.
func (d Drift) Note(ctx context.Context, env host.Env, run *stage.Run) {
	if d.Git.Ref == d.Commit {
		return
	}
	now, err := env.Mirrors.Resolve(ctx, d.Git)
	if _, gone := errors.AsType[*git.RefError](err); gone {
		run.Note("%s stays at %s, though %s no longer has %s", d.Name, d.Commit, d.Git.URL, d.Git.Ref)
		return
	}
	if err != nil {
		host.Logf(run, "asking what %s of %s means now: %v", d.Git.Ref, d.Git.URL, err)
		return
	}
	if now.Hash != d.Commit {
		run.Note("%s stays at %s, which was %s when it was locked; %s is %s now, and `sparkwheel lock --upgrade=%s` takes that", d.Name, d.Commit, d.Git.Ref, d.Git.Ref, now.Hash, d.Upgrade)
	}
}
