package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// childName is argv[0] of the copy of this program that becomes pid 1 inside.
const childName = "sparkwheel-sandbox"

// lightly are the settings of Go under which the sandbox's own processes start
// soonest, and with few threads: each takes a process id inside.
var lightly = []string{"GOMAXPROCS=1", "GOGC=off"}

// order is what the child is told, as JSON on its file 3.
type order struct {
	Steps    []step
	MountAt  string // a host directory that the new root may cover
	Changes  string // upper directory of an overlay as root, or ""
	Work     string // the overlay's own
	Hostname string
	Network  bool
	Owners   bool
	Commands [][]string
	Echo     bool
	Env      []string
	Dir      string
	CPUs     int
	Nice     int
	Umask    int
	// MaxProcesses is counted within the user namespace; without one it would
	// count all that the user has on the host.
	MaxProcesses int
	Probe        bool   // set everything up, try what else may be wanted, and end
	overlay      string // what the probe of overlay met
	lastPID      int    // file that says which process id was given last, or -1
}

// report is what the child tells, as JSON on its file 4: that a command starts,
// and at last a step that was refused, or how the last command ended.
type report struct {
	Command int    // index of the command that it is about
	Starts  bool   // it starts; nothing else is set
	Step    string // empty when the command ran
	Errno   syscall.Errno
	Text    string
	Code    int
	Signal  syscall.Signal
}

func (s *Sandbox) order(cmd Command) (*order, error) {
	root, err := filepath.EvalSymlinks(s.Root)
	if err != nil {
		return nil, fmt.Errorf("opening the sandbox's root: %w", err)
	}
	if !filepath.IsAbs(root) {
		return nil, fmt.Errorf("opening the sandbox's root: %q is not an absolute path", s.Root)
	}
	o := &order{MountAt: root, Hostname: s.Hostname, Network: cmd.Network, Commands: cmd.all(), Echo: cmd.Echo, Env: cmd.Env,
		Dir: cmd.Dir, CPUs: cmd.CPUs, Nice: cmd.Nice, Umask: cmd.Umask}
	if root == "/" {
		o.MountAt = "/tmp"
	}
	if os.Geteuid() != 0 {
		o.MaxProcesses = cmd.processes()
	}
	if o.Hostname == "" {
		o.Hostname = "sparkwheel"
	}
	if o.Dir == "" {
		o.Dir = "/"
	}
	if o.Umask == 0 {
		o.Umask = 0o022
	}
	if cmd.Owners {
		if err := checkOwners(cmd.Changes); err != nil {
			return nil, err
		}
		o.Owners = true
	}
	if cmd.Changes == "" {
		o.Steps, err = layout(root, o.Hostname, o.CPUs, cmd.Mounts)
		return o, err
	}
	if root == "/" {
		return nil, errors.New("making a sandbox: changes of the host's own system cannot be kept")
	}
	o.Changes = cmd.Changes
	o.Steps, err = layoutOver(root, o.Hostname, o.CPUs, cmd.Mounts)
	return o, err
}

// checkOwners refuses to make files that set the user where others find them.
func checkOwners(changes string) error {
	if changes == "" {
		return errors.New("making a sandbox: owners can be recorded only where changes are kept")
	}
	info, err := os.Stat(filepath.Dir(changes))
	if err != nil {
		return fmt.Errorf("making a sandbox: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("making a sandbox: %s has mode %#o; it must be closed to others (0700) when owners and modes of any kind are kept below it", filepath.Dir(changes), info.Mode().Perm())
	}
	return nil
}

func (s *Sandbox) runIsolated(ctx context.Context, cmd Command) error {
	o, err := s.order(cmd)
	if err != nil {
		return err
	}
	if o.Changes != "" {
		if o.Work, err = os.MkdirTemp(s.Scratch, "overlay-*"); err != nil {
			return fmt.Errorf("making a sandbox: %w", err)
		}
		defer func() {
			// The kernel leaves a directory there that nobody may enter.
			_ = os.Chmod(filepath.Join(o.Work, "work"), 0o700)
			os.RemoveAll(o.Work)
		}()
	}
	// Pdeathsig follows the thread that starts the child, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := startChild(cloneFlags(cmd.Network))
	if err != nil {
		return err
	}
	defer c.close()
	u := c.limit(cmd)
	defer u.end()
	c.order(o)
	out := &output{to: cmd.Output, limit: cmd.OutputLimit, over: c.kill}
	if out.limit == 0 {
		out.limit = defaultOutputLimit
	}
	stop := c.endWith(ctx, s.grace)
	rep, err := c.wait(out)
	stop()
	u.stop()
	return verdict(ctx, cmd, out, ending{rep, err, u.usage()})
}

// usage is what the limits' keepers saw of a command.
type usage struct {
	oom  bool
	peak int64
}

// limits holds a command to its memory and processes, by cgroup where one can
// be made, else by watching.
type limits struct {
	group   *group
	watcher *watcher
	stop    func()
}

func (c *child) limit(cmd Command) *limits {
	l := &limits{group: newGroup(c.cmd.Process.Pid, cmd.Memory, cmd.processes()), stop: func() {}}
	w := &watcher{kill: c.kill}
	if l.group.memory == "" {
		w.memory = cmd.Memory
	}
	if l.group.pids == "" {
		w.processes = cmd.processes()
	}
	if w.memory > 0 || w.processes > 0 {
		l.watcher = w
		l.stop = w.watch(c.cmd.Process.Pid)
	}
	return l
}

func (l *limits) end() { l.group.end() }

func (l *limits) usage() usage {
	u := usage{oom: l.group.oomKilled(), peak: l.group.peak()}
	if l.watcher != nil {
		u.oom = u.oom || l.watcher.killed
		u.peak = max(u.peak, l.watcher.peak)
	}
	return u
}

// ending is how a child ended: what it reported, why it could not be run or
// waited for, what it used.
type ending struct {
	report
	err  error
	used usage
}

// verdict turns how the child ended into what Run returns.
func verdict(ctx context.Context, cmd Command, out *output, rep ending) error {
	args := cmd.all()[rep.Command]
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("running %s: %w", args[0], context.Cause(ctx))
	case out.n > out.limit:
		return &ExitError{Args: args, Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL, OutputLimit: out.limit, Tail: out.tail()}
	case rep.err != nil:
		return fmt.Errorf("running %s: %w", args[0], rep.err)
	case rep.Step == "starting":
		return fmt.Errorf("starting %s in the sandbox: %s", args[0], rep.Text)
	case rep.Step != "":
		if rep.Errno != 0 {
			return refused(rep.Step, rep.Errno)
		}
		return fmt.Errorf("making a sandbox: %s: %s", rep.Step, rep.Text)
	case rep.Code != 0:
		return &ExitError{Args: args, Code: rep.Code, Signal: rep.Signal, OOM: rep.used.oom, Peak: rep.used.peak, Tail: out.tail()}
	case out.err != nil:
		return fmt.Errorf("keeping the output of %s: %w", args[0], out.err)
	}
	return nil
}

func cloneFlags(network bool) uintptr {
	flags := uintptr(syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS)
	if !network {
		flags |= syscall.CLONE_NEWNET
	}
	return flags
}

// child is the running pid 1 of a sandbox, seen from outside.
type child struct {
	cmd    *exec.Cmd
	life   *os.File // while this is open, the child lives
	status *os.File
	output *os.File
}

func startChild(flags uintptr) (_ *child, err error) {
	var theirs []*os.File
	c := &child{}
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			c.close()
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	orders, life := pipe()
	status, statusW := pipe()
	outR, outW := pipe()
	theirs = []*os.File{orders, statusW, outW}
	c.life, c.status, c.output = life, status, outR
	if err != nil {
		return nil, fmt.Errorf("making a sandbox: %w", err)
	}
	c.cmd = &exec.Cmd{Path: "/proc/self/exe", Args: []string{childName}, Dir: "/",
		Env:    lightly,
		Stdout: outW, Stderr: outW, ExtraFiles: []*os.File{orders, statusW},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL, Setsid: true}}
	if os.Geteuid() != 0 {
		c.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		c.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if err := c.cmd.Start(); err != nil {
		return nil, refused("starting a process in new namespaces", err)
	}
	return c, nil
}

// order sends the child its orders, for which it waits. The pipe stays open as
// a sign of life. A child that is gone is found out about by wait.
func (c *child) order(o *order) {
	b, _ := json.Marshal(o)
	_, _ = c.life.Write(b)
}

func (c *child) close() {
	for _, f := range []*os.File{c.life, c.status, c.output} {
		if f != nil {
			f.Close()
		}
	}
}

// kill ends every process of the sandbox: the kernel sees to that when pid 1
// of a namespace dies.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// endWith ends the child gently, then hard, when ctx ends. The returned func
// waits until nothing more can happen to the child.
func (c *child) endWith(ctx context.Context, grace time.Duration) (stop func()) {
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(grace):
			c.kill()
		}
	}()
	return func() { close(done); <-finished }
}

// wait drains the output and the report until the child is gone.
func (c *child) wait(out io.Writer) (report, error) {
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, c.output)
		copied <- err
	}()
	var rep report
	var repErr error
	for reports := json.NewDecoder(io.LimitReader(c.status, 1<<20)); ; {
		next := report{Command: rep.Command}
		if repErr = reports.Decode(&next); repErr != nil {
			break
		}
		if rep = next; !rep.Starts {
			break
		}
	}
	waitErr := c.cmd.Wait()
	if err := <-copied; err != nil {
		return rep, err
	}
	if repErr == nil {
		return rep, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](waitErr); ok {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return report{Command: rep.Command, Code: 128 + int(ws.Signal()), Signal: ws.Signal()}, nil
		}
	}
	return rep, fmt.Errorf("the sandbox's first process ended without a word: %w", waitErr)
}
