package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Program is a run of one of this host's own programs.
type Program struct {
	Args   []string // the program, found on PATH, and its arguments
	Dir    string   // where it runs; "" for the working directory
	Env    []string // its whole environment, KEY=VALUE; of equal keys the last holds
	Stdin  io.Reader
	Stdout io.Writer
	// Grace is how long it may take to end once it is interrupted (default 5 s).
	Grace time.Duration
}

// ProgramError is a program of this host that ran and failed.
type ProgramError struct {
	Name string
	Code int
	// Tail is the end of what it wrote to stderr, on one line.
	Tail string
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("%s: exit code %d: %s", e.Name, e.Code, e.Tail)
}

// MissingError is a program that this host does not have.
type MissingError struct{ Name string }

func (e *MissingError) Error() string { return e.Name + " is not installed" }

// Run runs the program and waits for it; ctx's end interrupts it with what
// it started, and kills what does not heed that within Grace. The error is a *ProgramError or a
// *MissingError.
func (p Program) Run(ctx context.Context) error {
	name := filepath.Base(p.Args[0])
	cmd := exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	stderr := &tail{}
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, p.Env, p.Stdin, p.Stdout, stderr
	settle(cmd)
	if p.Grace > 0 {
		cmd.WaitDelay = p.Grace
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &ProgramError{name, exit.ExitCode(), stderr.String()}
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) && strings.ContainsRune(p.Args[0], '/') {
		return &MissingError{name}
	}
	return err
}

// settle makes a command a process group of its own that is asked to end
// before it is killed.
func settle(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
}

// checkHost refuses what ssh would take for an option or for several words.
func checkHost(host string) error {
	if host == "" || strings.HasPrefix(host, "-") || strings.ContainsAny(host, " \t\n") {
		return &ConnectError{Host: host, Err: fmt.Errorf("%q is not the name of a host", host)}
	}
	return nil
}

// Pipe runs one command on a host by a connection of its own, with its stdin
// and stdout connected to those given. host is any destination that ssh takes.
// The error is a *ConnectError where ssh failed and a *CommandError where the
// command did.
func (s *SSH) Pipe(ctx context.Context, host string, args []string, stdin io.Reader, stdout io.Writer) error {
	if err := checkHost(host); err != nil {
		return err
	}
	// A master of the user's is used where one is; none is left behind.
	call := append(quiet(), "-o", "ControlMaster=no")
	cmd := s.command(ctx, append(append(call, s.Args...), host, "--", quote(args))...)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	return talk(ctx, cmd, host, args)
}

// talk runs an ssh that runs args on a host. A command that failed there is a
// *CommandError, what ssh itself failed at a *ConnectError with the end of its words.
func talk(ctx context.Context, cmd *exec.Cmd, host string, args []string) error {
	stderr := &tail{}
	cmd.Stderr = stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case ok && exit.ExitCode() != 255:
		return &CommandError{host, args, exit.ExitCode(), stderr.String()}
	}
	return &ConnectError{Host: host, Tail: strings.TrimSpace(stderr.String()), Err: err}
}

// command is a run of ssh, by a line for the shell where the user has one.
func (s *SSH) command(ctx context.Context, args ...string) *exec.Cmd {
	program := s.Program
	if program == "" {
		program = "ssh"
	}
	if s.Shell != "" {
		program, args = "/bin/sh", append([]string{"-c", s.Shell + ` "$@"`, "ssh"}, args...)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = s.Env
	settle(cmd)
	return cmd
}
