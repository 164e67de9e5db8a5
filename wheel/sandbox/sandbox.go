// Package sandbox runs a command in Linux namespaces of its own, with the
// unpacked root file system of an image, fixed paths, and no network.
//
// It keeps accidents and build scripts away from the host and from each
// other's traces; it is no wall against an exploit of the kernel. The program
// that uses it calls [Init] first thing in main, since the sandbox starts as a
// copy of that program.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// Version stands in cache keys for how the sandbox and the builder shape what a
// build makes. It is raised by hand when that changes.
const Version = "2"

// Sandbox says where commands run. Its zero Mode isolates; many commands may
// run at once in one Sandbox.
type Sandbox struct {
	// Root is the unpacked root file system (a host path), bound read-only.
	// "/" means the host's own: of it only /usr and what links into it is seen.
	Root string
	// Scratch is a host directory on the file system of the commands' Changes;
	// commands without need none.
	Scratch string
	// Mode is Namespaces (or empty), or None.
	Mode Mode
	// Hostname inside; empty means "sparkwheel".
	Hostname string

	grace time.Duration // between SIGTERM and SIGKILL; 0 means ten seconds
}

// Mode is how a command is kept apart.
type Mode string

const (
	// Namespaces isolates by user (unless root), mount, pid, network, ipc, uts
	// and cgroup namespaces.
	Namespaces Mode = "namespaces"
	// None runs the command on the host as it is; the targets of its mounts
	// become symbolic links for as long as it runs.
	None Mode = "none"
)

// Mount shows a file or directory of the host inside the sandbox.
type Mount struct {
	Source   string // host path; a symbolic link is followed
	Target   string // absolute path inside; a missing mount point is made
	Writable bool
}

// Command is all that a command may see and use. What is not listed here is
// not there: no variable, file or network of the host.
type Command struct {
	Args []string // Args[0] without a slash is searched in Env's PATH
	// Before are the arguments of commands that run before Args, one by one in
	// the same sandbox, which is made once for all; none keeps a process running
	// into the next. The first that fails is the one that Run's error names.
	Before [][]string
	// Echo writes each command to Output before it starts, behind "+ ".
	Echo   bool
	Env    []string // the whole environment, "K=V"
	Dir    string   // absolute, inside; empty means "/"
	Mounts []Mount
	// Changes is an empty directory on the host that gets what the command
	// changes in the root, as the upper layer of an overlay: whiteouts are
	// character devices 0:0, opaque directories carry trusted.overlay.opaque, or
	// user.overlay.opaque when the caller is not root. Empty keeps the root
	// read-only.
	Changes string
	// Owners lets the command do to files what installing packages does: pass
	// over modes and set the user or group id bits of its own files. To give a
	// file away or to become another user succeeds, and does nothing, whoever
	// runs this: all of Changes has one owner, and who the true ones are is for
	// the caller to say. It may still make no device and no mount. The directory
	// that holds Changes must be closed to others, mode 0700, since a file in
	// there that sets the user would work on the host.
	Owners bool
	// Network shares the host's network, its loopback included, for the fetch
	// phase alone.
	Network bool
	// Output gets stdout and stderr as they come; nil discards them.
	Output io.Writer
	// OutputLimit in bytes ends the command when passed; 0 means 4 GiB.
	OutputLimit int64
	// Memory in bytes that all its processes may use together; 0 means no limit.
	Memory int64
	// Processes and threads that may live at once; 0 means what DefaultProcesses
	// says of this host.
	Processes int
	// CPUs that the command sees; 0 means all of the host's.
	CPUs int
	// Nice is added to the priority value, 0 to 19.
	Nice int
	// Umask of the command; 0 means 022.
	Umask int
}

func (c *Command) all() [][]string { return append(slices.Clone(c.Before), c.Args) }

func (c *Command) processes() int {
	if c.Processes > 0 {
		return c.Processes
	}
	free, _ := FreeMemory()
	return DefaultProcesses(runtime.NumCPU(), free)
}

// DefaultProcesses is how many processes and threads a command may have at once
// on a host of so many processors and bytes of free memory (0: not known): room
// for a job on each processor that starts a thread for each processor, and no
// more than the memory bears.
func DefaultProcesses(processors int, memory int64) int {
	const (
		least, each, most = 1024, 128, 16384
		bytes             = 4 << 20
	)
	n := least + each*processors
	if memory > 0 {
		n = min(n, max(least, int(memory/bytes)))
	}
	return min(n, most)
}

const (
	defaultOutputLimit = 4 << 30
	defaultGrace       = 10 * time.Second
)

// Run runs cmd and waits for its end, and that of every process it left
// behind. A command that ran and failed gives *ExitError; a host that refuses
// namespaces gives *NamespaceError. When ctx ends, the command gets SIGTERM,
// ten seconds later SIGKILL, and the error wraps ctx's cause.
func (s *Sandbox) Run(ctx context.Context, cmd Command) error {
	if len(cmd.Args) == 0 {
		return errors.New("running a command in the sandbox: no arguments")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("running %s: %w", cmd.Args[0], context.Cause(ctx))
	}
	if s.grace == 0 {
		s = &Sandbox{Root: s.Root, Scratch: s.Scratch, Mode: s.Mode, Hostname: s.Hostname, grace: defaultGrace}
	}
	switch s.Mode {
	case Namespaces, "":
		return s.runIsolated(ctx, cmd)
	case None:
		return s.runPlain(ctx, cmd)
	}
	return fmt.Errorf("running %s: sandbox mode %q is neither %q nor %q", cmd.Args[0], s.Mode, Namespaces, None)
}
