package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// classify gives the errors of the rooms the exit codes of the design.
func classify(ctx context.Context, err error) error {
	var coded *codeError
	switch {
	case err == nil, errors.As(err, &coded):
		return err
	case ctx.Err() != nil:
		return &codeError{codeInterrupted, fmt.Errorf("interrupted: %w", err)}
	case isError[*git.RefError](err), isError[*git.AmbiguousError](err), isError[*host.PlatformError](err), isError[*sources.ContentError](err),
		isError[*git.DirtyError](err), isError[*git.SchemeError](err), isError[*sources.VersionError](err), isError[*sources.PointersError](err),
		isError[*base.UnsupportedError](err), isError[*hosts.NotFoundError](err), isError[*base.PythonVersionError](err):
		return &codeError{codeUsage, err}
	case isError[*truth.Error](err), isError[*wheel.VerifyError](err), isError[*fit.Error](err), isError[*wheel.TagError](err):
		return &codeError{codeFaults, err}
	}
	return notLocked(err)
}

// notLocked gives exit code 4 to what the lock or an offline store lacks.
func notLocked(err error) error {
	if isError[*recipe.MismatchError](err) || isError[*host.NotLockedError](err) || isError[*host.OfflineError](err) ||
		errors.Is(err, recipe.ErrNoLock) || errors.Is(err, git.ErrOffline) {
		return &codeError{codeNotLocked, err}
	}
	return err
}
