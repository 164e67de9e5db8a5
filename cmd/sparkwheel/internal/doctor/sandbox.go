package doctor

// Sandbox is what a probe of the sandbox found: each part was really tried.
type Sandbox struct {
	Namespaces Tried // a child in namespaces of its own that mounts
	Overlay    Tried
	Cgroups    Tried
}

// Tried is one part of the probe.
type Tried struct {
	OK    bool
	Found string // what works, or why it does not
	// Remedy is what helps when it does not.
	Remedy string
}

func (s Sandbox) checks(h Host) []Check {
	return []Check{
		{
			Name: "namespaces", OK: s.Namespaces.OK, Found: s.Namespaces.Found, Required: true,
			Needed: "user, mount, pid, network, ipc and uts namespaces", Remedy: s.Namespaces.Remedy,
		},
		h.appArmor(s.Namespaces.OK),
		{
			Name: "overlay", OK: s.Overlay.OK, Found: s.Overlay.Found, Remedy: s.Overlay.Remedy,
			Needed: "overlay mounts, for builds whose changes are captured",
		},
		{
			Name: "cgroups", OK: s.Cgroups.OK, Found: s.Cgroups.Found, Remedy: s.Cgroups.Remedy,
			Needed: "a writable memory cgroup, to limit a build's memory",
		},
	}
}

// appArmor tells Ubuntu's restriction apart from other reasons that namespaces
// fail: only there does a profile help.
func (h Host) appArmor(namespaces bool) Check {
	c := Check{Name: "apparmor", OK: true, Found: "not active", Needed: "no restriction of user namespaces, or root", Required: true}
	if h.read("sys/module/apparmor/parameters/enabled") != "Y" {
		return c
	}
	c.Found = "active, user namespaces are not restricted"
	if h.read("proc/sys/kernel/apparmor_restrict_unprivileged_userns") != "1" {
		return c
	}
	c.Found = "active, restricts user namespaces"
	switch {
	case h.User == 0:
		c.Found += " (not root's)"
	case namespaces:
		c.Found += " (sparkwheel has a profile)"
	default:
		c.OK = false
		c.Remedy = "use `sudo sparkwheel`, or the profile that the check above prints"
	}
	return c
}
