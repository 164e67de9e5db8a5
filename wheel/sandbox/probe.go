package sandbox

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"

	"golang.org/x/sys/unix"
)

// Report says what this host lets a sandbox do. It comes from a child that
// really made the namespaces and the mounts, not from reading settings.
type Report struct {
	// Namespaces is nil when commands can be isolated, else a *NamespaceError.
	Namespaces error
	// UserNamespace says that the sandbox needs one: the caller is not root.
	UserNamespace bool
	// AppArmor says that Ubuntu's restriction of user namespaces is on; root is
	// not touched by it.
	AppArmor bool
	// Overlay is nil when builds whose changes are captured can run.
	Overlay error
	// Memory is how a limit on memory is kept.
	Memory MemoryControl
}

// Probe tries a sandbox over the host's own system.
func Probe(ctx context.Context) Report {
	r := Report{UserNamespace: os.Geteuid() != 0, AppArmor: apparmorRestricts(), Memory: memoryControl()}
	o, err := (&Sandbox{Root: "/"}).order(Command{Args: []string{"probe"}})
	if err != nil {
		r.Namespaces = err
		return r
	}
	o.Probe = true
	c, err := startChild(cloneFlags(false))
	if err != nil {
		r.Namespaces = err
		return r
	}
	defer c.close()
	c.order(o)
	stop := c.endWith(ctx, defaultGrace)
	rep, err := c.wait(io.Discard)
	stop()
	switch {
	case err != nil:
		r.Namespaces = err
	case rep.Step != "":
		r.Namespaces = refused(rep.Step, rep.Errno)
	case rep.Text != "":
		r.Overlay = errors.New(rep.Text)
	}
	return r
}

// probeOverlay mounts an overlay in the sandbox's /tmp.
func probeOverlay() error {
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir("/tmp/"+d, 0o700); err != nil {
			return err
		}
	}
	options := []string{"lowerdir", "/usr", "upperdir", "/tmp/upper", "workdir", "/tmp/work"}
	if inUserNamespace() {
		options = append(options, "userxattr", "")
	}
	fd, err := newFS("overlay", harmless, options...)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

var wholeMap = regexp.MustCompile(`^\s*0\s+0\s+4294967295\s*$`)

// inUserNamespace says whether this process is root only in a namespace.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !wholeMap.Match(b)
}
