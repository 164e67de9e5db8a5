package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// runPlain runs cmd on the host as it is. Each mount is a symbolic link for as
// long as the command runs, so two such commands cannot share a target.
func (s *Sandbox) runPlain(ctx context.Context, cmd Command) (err error) {
	remove, err := linkMounts(cmd.Mounts)
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

// linkMounts makes each mount's target a link to its source. The returned func
// removes what was made.
func linkMounts(mounts []Mount) (remove func() error, err error) {
	var made []string
	remove = func() error {
		var errs []error
		for i := len(made) - 1; i >= 0; i-- {
			errs = append(errs, os.Remove(made[i]))
		}
		return errors.Join(errs...)
	}
	for _, m := range mounts {
		if to, err := os.Readlink(m.Target); err == nil && to == m.Source {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(m.Target), 0o755); err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w; make its parent a directory that you may write", m.Target, err)
		}
		if err := os.Symlink(m.Source, m.Target); err != nil {
			return remove, fmt.Errorf("placing %s without a sandbox: %w; remove it, or build in the sandbox", m.Target, err)
		}
		made = append(made, m.Target)
	}
	return remove, nil
}
