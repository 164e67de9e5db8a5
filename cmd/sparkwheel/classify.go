package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"syscall"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// classify gives the errors of the rooms the exit codes of the design.
func classify(ctx context.Context, err error) error {
	var coded *codeError
	switch {
	case err == nil, errors.As(err, &coded):
		return err
	case ctx.Err() != nil && isError[*stage.InterruptedError](err):
		return &codeError{interruptCode(ctx), fmt.Errorf("%w; finished stages are kept", err)}
	case ctx.Err() != nil:
		return &codeError{interruptCode(ctx), fmt.Errorf("interrupted: %w", err)}
	case calledWrong(err):
		return &codeError{codeUsage, err}
	case faulty(err):
		return &codeError{codeFaults, err}
	}
	if err := notLocked(err); isError[*codeError](err) {
		return err
	}
	switch {
	case isError[*builder.FailedError](err):
		return err // whatever its log speaks of, upstream's build failed
	case diskFailed(err):
		return &codeError{codeDisk, err}
	case networkFailed(err):
		return &codeError{codeNetwork, err}
	}
	return err
}

// calledWrong is whether the call or the recipe is at fault.
func calledWrong(err error) bool {
	return isError[*git.RefError](err) || isError[*git.AmbiguousError](err) || isError[*git.SchemeError](err) ||
		isError[*git.DirtyError](err) || isError[*hosts.NotFoundError](err) || isError[*sources.VersionError](err) || isError[*sources.PatchError](err) || isError[*git.MergeError](err) || isError[*git.MergeBaseError](err) || isError[*sources.PointersError](err) ||
		isError[*host.PlatformError](err) || isError[*sources.ContentError](err) ||
		isError[*base.UnsupportedError](err) || isError[*base.PythonVersionError](err) || errors.Is(err, base.ErrNoPython) ||
		isError[*registry.PlatformError](err) || isError[*layout.TagError](err) || isError[*imagename.SyntaxError](err) ||
		isError[*pipeline.CallError](err) || isError[*image.MissingPackageError](err) || isError[*layer.OutputError](err)
}

// faulty is whether a check found faults.
func faulty(err error) bool {
	if failed, ok := errors.AsType[*builder.FailedError](err); ok && failed.Refused != "" {
		return true
	}
	return isError[*environments.ABIError](err) || isError[*wheels.MissingFilesError](err) || isError[*wheels.UnrecordedError](err) || isError[*truth.Error](err) || isError[*pipeline.VersionsError](err) || isError[*gate.Error](err) || isError[*fit.Error](err) || isError[*install.ConflictError](err) ||
		isError[*wheel.TagError](err) || isError[*wheel.VerifyError](err) || isError[*wheel.FilenameError](err)
}

// diskFailed is whether a disk is full or cannot be written.
func diskFailed(err error) bool {
	if isError[*store.FullError](err) || isError[*store.ReadOnlyError](err) || isError[*index.SpaceError](err) || isError[*hosts.SpaceError](err) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) {
		return true
	}
	if !errors.Is(err, fs.ErrPermission) {
		return false
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		// A file that may not be read is not the disk's fault; one that is not there
		// was to be written.
		_, statErr := os.Lstat(path.Path)
		return path.Op != "open" && path.Op != "openat" && path.Op != "read" || errors.Is(statErr, fs.ErrNotExist)
	}
	return isError[*os.LinkError](err)
}

// networkFailed is whether the network or another server is at fault.
func networkFailed(err error) bool {
	return isError[*git.StatusError](err) || isError[*git.UnreachableError](err) ||
		isError[*index.StatusError](err) || isError[*index.AnswerError](err) || isError[*index.GoneError](err) ||
		isError[*registry.StatusError](err) || isError[*registry.GiveUpError](err) || isError[*registry.LocationError](err) ||
		isError[*registry.TrustError](err) || isError[*registry.DigestError](err) || isError[*registry.SizeError](err) ||
		isError[*transport.StatusError](err) || isError[*transport.GiveUpError](err) || isError[*transport.StalledError](err) ||
		isError[*hosts.ConnectError](err) || isError[*url.Error](err) || isError[*net.OpError](err) || isError[*net.DNSError](err)
}

// notLocked gives exit code 4 to what the lock or an offline store lacks.
func notLocked(err error) error {
	if isError[*wheels.AskedError](err) || isError[*recipe.MismatchError](err) || isError[*host.NotLockedError](err) || isError[*host.OfflineError](err) ||
		errors.Is(err, recipe.ErrNoLock) || errors.Is(err, git.ErrOffline) {
		return &codeError{codeNotLocked, err}
	}
	return err
}
