package doctor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// sandbox turns what the probe's child met into checks.
func (h Host) sandbox() []Check {
	return []Check{h.namespaces(), h.appArmor(), h.overlay(), h.cgroups()}
}

func (h Host) namespaces() Check {
	c := Check{Name: "namespaces", OK: h.Sandbox.Namespaces == nil, Needed: "mount, pid, network, ipc and uts namespaces, to isolate builds", Required: true}
	who := "as root"
	if h.Sandbox.UserNamespace {
		who = "in a user namespace"
	}
	if c.OK {
		c.Found = "work " + who
		return c
	}
	c.Found = firstLine(h.Sandbox.Namespaces)
	c.Remedy = "use `sudo sparkwheel`, or build without isolation: `--sandbox none`"
	if e, ok := errors.AsType[*sandbox.NamespaceError](h.Sandbox.Namespaces); ok {
		c.Found = fmt.Sprintf("refused %s: %s: %v", who, e.Step, e.Err)
		c.Remedy = strings.TrimPrefix(remedy.Of(e), "\n")
	}
	return c
}

// appArmor tells Ubuntu's restriction apart from other reasons that namespaces
// fail: only there does a profile help.
func (h Host) appArmor() Check {
	c := Check{Name: "apparmor", OK: true, Found: "user namespaces are not restricted", Needed: "unrestricted user namespaces, or a profile, or root", Required: true}
	if !h.Sandbox.AppArmor {
		return c
	}
	c.Found = "user namespaces are restricted, "
	switch {
	case !h.Sandbox.UserNamespace:
		c.Found += "which does not affect root"
	case h.Sandbox.Namespaces == nil:
		c.Found += "but not for sparkwheel"
	default:
		c.OK = false
		c.Found += "and sparkwheel has no profile"
		c.Remedy = "as for namespaces: `sudo sparkwheel`, or the profile shown there"
	}
	return c
}

func (h Host) overlay() Check {
	c := Check{Name: "overlay", OK: true, Found: "works", Needed: "overlay mounts, for builds whose changes are captured"}
	switch {
	case h.Sandbox.Namespaces != nil:
		c.OK, c.Found = false, "not tried: no mount namespace"
		c.Remedy = "as for namespaces"
	case h.Sandbox.Overlay != nil:
		c.OK, c.Found = false, firstLine(h.Sandbox.Overlay)
		c.Remedy = "load the module (`sudo modprobe overlay`); in a user namespace it needs Linux 5.11 or later"
	}
	return c
}

func (h Host) cgroups() Check {
	c := Check{Name: "cgroups", OK: h.Sandbox.Memory != sandbox.Watcher, Found: string(h.Sandbox.Memory), Needed: "a writable memory cgroup, to limit a build's memory"}
	if !c.OK {
		c.Found = "none that is writable: a build's memory is watched instead"
		c.Remedy = "for a limit that the kernel enforces, run as `systemd-run --user --scope -p Delegate=yes sparkwheel ...`, or as root"
	}
	return c
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
