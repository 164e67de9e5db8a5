package sandbox

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// NamespaceError says that this host lets the caller make no namespaces, or
// not use them.
type NamespaceError struct {
	Step string // what was refused
	Err  error
	// AppArmor is set where Ubuntu's restriction of user namespaces is on.
	AppArmor bool
	Root     bool   // the caller is root, in a container that holds it
	Program  string // path of this program, as an AppArmor profile names it
}

func (e *NamespaceError) Unwrap() error { return e.Err }

func (e *NamespaceError) Error() string {
	text := fmt.Sprintf("making a sandbox: %s: %v", e.Step, e.Err)
	switch {
	case e.AppArmor:
		text += "\nAppArmor denies user namespaces to programs without a profile (kernel.apparmor_restrict_unprivileged_userns = 1)"
	case e.Root:
		text += "\nthis root does not have CAP_SYS_ADMIN"
	}
	return text
}

//go:embed apparmor.profile
var profile string

// Profile is the AppArmor profile that lets program make user namespaces on
// Ubuntu 24.04, modelled on those that it ships for crun and podman. `make
// install` installs it.
func Profile(program string) string { return strings.ReplaceAll(profile, "@PROGRAM@", program) }

// refused makes a NamespaceError of an error that says "not allowed", and
// leaves others as they are.
func refused(step string, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EINVAL) &&
		!errors.Is(err, syscall.EUSERS) && !errors.Is(err, syscall.ENOSYS) {
		return fmt.Errorf("making a sandbox: %s: %w", step, err)
	}
	program, _ := os.Executable()
	return &NamespaceError{Step: step, Err: err, AppArmor: apparmorRestricts(), Root: os.Geteuid() == 0, Program: program}
}

func apparmorRestricts() bool {
	b, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}
