package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runPlain runs cmd on the host as it is. Each mount is a symbolic link for as
// long as the command runs, so commands that want the same target take turns.
func (s *Sandbox) runPlain(ctx context.Context, cmd Command) (err error) {
	remove, err := linkMounts(ctx, cmd.Mounts)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return err
	}
	file, err := lookPath(cmd.Args[0], cmd.Env)
	if err != nil {
		return fmt.Errorf("starting %s: %w", cmd.Args[0], err)
	}
	c := exec.CommandContext(ctx, file)
	out := &output{to: cmd.Output, limit: cmd.OutputLimit}
	if out.limit == 0 {
		out.limit = defaultOutputLimit
	}
	c.Args, c.Env, c.Dir = cmd.Args, cmd.Env, cmd.Dir
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = s.grace
	out.over = func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	err = c.Run()
	if c.Process != nil {
		// Whatever stayed behind in the session's first process group.
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed && ctx.Err() == nil {
		return fmt.Errorf("running %s: %w", cmd.Args[0], err)
	}
	rep := report{}
	if failed {
		ws := exit.Sys().(syscall.WaitStatus)
		rep.Code = ws.ExitStatus()
		if ws.Signaled() {
			rep = report{Code: 128 + int(ws.Signal()), Signal: ws.Signal()}
		}
	}
	return verdict(ctx, cmd, rep, nil, out, usage{})
}

// linkMounts makes each mount's target a link to its source, waiting for other
// commands to give up theirs. The returned func removes what was made.
func linkMounts(ctx context.Context, mounts []Mount) (remove func() error, err error) {
	var undo []func() error
	remove = func() error {
		var errs []error
		for i := len(undo) - 1; i >= 0; i-- {
			errs = append(errs, undo[i]())
		}
		return errors.Join(errs...)
	}
	for _, m := range mounts {
		if err := os.MkdirAll(filepath.Dir(m.Target), 0o755); err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w; make its parent a directory that you may write", m.Target, err)
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
func lockSource(source string) (*os.File, error) {
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// link makes m.Target a link, when no living command has one there.
func link(ctx context.Context, m Mount) error {
	for {
		err := os.Symlink(m.Source, m.Target)
		if !errors.Is(err, os.ErrExist) {
			return err
		}
		to, err := os.Readlink(m.Target)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w; it is no link of ours: remove it, or build in the sandbox", err)
		}
		if abandoned(to) {
			if err := os.Remove(m.Target); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// abandoned says whether no living command holds source.
func abandoned(source string) bool {
	f, err := os.Open(source)
	if err != nil {
		return true
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
