package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// runPlain runs cmd on the host as it is. Each mount is a symbolic link for as
// long as the command runs, so commands that want the same target take turns.
func (s *Sandbox) runPlain(ctx context.Context, cmd Command) (err error) {
	remove, err := linkMounts(ctx, cmd.Mounts)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return err
	}
	out := &output{to: cmd.Output, limit: cmd.OutputLimit}
	if out.limit == 0 {
		out.limit = defaultOutputLimit
	}
	var rep report
	for i, args := range cmd.all() {
		if cmd.Echo {
			fmt.Fprintln(out, "+ "+strings.Join(args, " "))
		}
		rep, err = s.runOne(ctx, cmd, args, out)
		if rep.Command = i; err != nil || rep.Code != 0 || ctx.Err() != nil {
			break
		}
	}
	return verdict(ctx, cmd, out, ending{report: rep, err: err})
}

func (s *Sandbox) runOne(ctx context.Context, cmd Command, args []string, out *output) (report, error) {
	file, err := lookPath(args[0], cmd.Env)
	if err != nil {
		return report{}, err
	}
	c := exec.CommandContext(ctx, file)
	c.Args, c.Env, c.Dir = args, cmd.Env, cmd.Dir
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = s.grace
	out.over = func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	err = c.Run()
	if c.Process != nil {
		// Whatever stayed behind in the session's first process group.
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	exit, failed := errors.AsType[*exec.ExitError](err)
	if !failed {
		return report{}, err
	}
	ws := exit.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return report{Code: 128 + int(ws.Signal()), Signal: ws.Signal()}, nil
	}
	return report{Code: ws.ExitStatus()}, nil
}

// linkMounts makes each mount's target a link to its source, waiting for other
// commands to give up theirs. The returned func removes what was made.
func linkMounts(ctx context.Context, mounts []Mount) (remove func() error, err error) {
	var undo []func() error
	remove = func() error {
		var errs []error
		for _, u := range slices.Backward(undo) {
			errs = append(errs, u())
		}
		return errors.Join(errs...)
	}
	for _, m := range mounts {
		if err := os.MkdirAll(filepath.Dir(m.Target), 0o755); err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w; make its parent writable", m.Target, err)
		}
		lock, err := lockSource(m.Source)
		if err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w", m.Target, err)
		}
		undo = append(undo, lock.Close)
		if err := link(ctx, m); err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w", m.Target, err)
		}
		undo = append(undo, func() error { return os.Remove(m.Target) })
	}
	return remove, nil
}

// lockSource holds a lock on a mount's source for as long as a link to it
// stands: a link without one is a dead command's. Several may share it.
func lockSource(source string) (*flock.Flock, error) {
	l := locking(source)
	return l, l.RLock()
}

// locking locks a file or a directory by itself, and makes none.
func locking(path string) *flock.Flock { return flock.New(path, flock.SetFlag(os.O_RDONLY)) }

// link makes m.Target a link, when no living command has one there.
func link(ctx context.Context, m Mount) error {
	for {
		if made, err := tryLink(m); made || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tryLink makes m.Target a link unless a living command has one there. The lock
// keeps another command from replacing a dead one's link at the same time, which
// would take away the one that was just made.
func tryLink(m Mount) (made bool, err error) {
	dir := locking(filepath.Dir(m.Target))
	if err := dir.Lock(); err != nil {
		return false, err
	}
	defer dir.Close()
	to, err := os.Readlink(m.Target)
	switch {
	case err == nil && !abandoned(to):
		return false, nil
	case err == nil:
		if err := os.Remove(m.Target); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return false, fmt.Errorf("%w; sparkwheel did not make this link: remove it, or build in the sandbox", err)
	}
	return true, os.Symlink(m.Source, m.Target)
}

// abandoned says whether no living command holds source.
func abandoned(source string) bool {
	l := locking(source)
	defer l.Close()
	free, err := l.TryLock()
	_, gone := errors.AsType[*os.PathError](err)
	return free || gone
}
