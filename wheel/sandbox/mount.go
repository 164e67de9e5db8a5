package sandbox

import (
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

const harmless = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// buildRoot makes the root that o's steps describe and moves into it.
func buildRoot(o *order) *setupError {
	sources := make([]int, len(o.Steps))
	// All sources are taken hold of before the new root covers anything.
	for i, s := range o.Steps {
		if s.Do != "bind" {
			continue
		}
		fd, err := openTree(s)
		if err != nil {
			return &setupError{"opening " + s.Source, err}
		}
		sources[i] = fd
	}
	mount := mountRoot
	if o.Changes != "" {
		mount = mountOverlay
	}
	root, err := mount(o, sources)
	if err != nil {
		return &setupError{"mounting the root", err}
	}
	for i, s := range o.Steps {
		if o.Changes != "" && (s.Do == "file" || s.Do == "link") {
			continue
		}
		if err := perform(root, s, sources[i]); err != nil {
			return &setupError{fmt.Sprintf("making %s", s.Target), err}
		}
	}
	if err := maskProc(root); err != nil {
		return &setupError{"masking /proc", err}
	}
	if o.Changes == "" {
		if err := setReadOnly(root); err != nil {
			return &setupError{"making the root read-only", err}
		}
	}
	return enter(root)
}

// mountRoot mounts the memory that a root of read-only binds is made in.
func mountRoot(o *order, _ []int) (int, error) {
	root, err := newFS("tmpfs", harmless, "mode", "0755", "size", "64m")
	if err != nil {
		return -1, err
	}
	return root, unix.MoveMount(root, "", unix.AT_FDCWD, o.MountAt, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// mountOverlay mounts an overlay whose lowest layer has the sandbox's own
// files and mount points, where the root proper does not have them.
func mountOverlay(o *order, sources []int) (int, error) {
	layers := map[string]string{}
	for option, dir := range map[string]string{"lowerdir": o.MountAt, "upperdir": o.Changes, "workdir": o.Work} {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("opening %s: %w", dir, err)
		}
		defer unix.Close(fd)
		layers[option] = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	below, err := mountRoot(o, nil)
	if err != nil {
		return -1, err
	}
	for i, s := range o.Steps {
		if err := lay(below, s, sources[i]); err != nil {
			return -1, fmt.Errorf("laying %s below: %w", s.Target, err)
		}
	}
	options := []string{"lowerdir", layers["lowerdir"] + ":" + o.MountAt, "upperdir", layers["upperdir"], "workdir", layers["workdir"]}
	if inUserNamespace() {
		options = append(options, "userxattr", "")
	}
	root, err := newFS("overlay", harmless, options...)
	if err != nil {
		return -1, err
	}
	return root, unix.MoveMount(root, "", unix.AT_FDCWD, o.MountAt, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// lay makes in the lowest layer what s needs to find in the root.
func lay(below int, s step, source int) error {
	switch {
	case s.Do == "file", s.Do == "link":
		if err := mkdirIn(below, path.Dir(s.Target), 0o755); err != nil {
			return err
		}
		return perform(below, s, source)
	case s.Do == "bind" && !isDir(source):
		return writeIn(below, s.Target, "")
	}
	return mkdirIn(below, s.Target, 0o755)
}

// enter makes root the root of this process and lets go of the old one.
func enter(root int) *setupError {
	if err := unix.Fchdir(root); err != nil {
		return &setupError{"entering the root", err}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &setupError{"changing the root", err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &setupError{"leaving the old root", err}
	}
	unix.Close(root)
	if err := unix.Chdir("/"); err != nil {
		return &setupError{"entering the root", err}
	}
	return nil
}

// openTree makes a detached copy of the mount that holds s's source.
func openTree(s step) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, s.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return -1, err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if !isDevice(fd) {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if !s.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	return fd, unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr)
}

func isDevice(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR
}

func isDir(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func setReadOnly(fd int) error {
	return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// newFS makes a mount of a new file system that stands nowhere yet.
func newFS(kind string, attr int, options ...string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for i := 0; i < len(options); i += 2 {
		if options[i+1] == "" {
			err = unix.FsconfigSetFlag(fs, options[i])
		} else {
			err = unix.FsconfigSetString(fs, options[i], options[i+1])
		}
		if err != nil {
			return -1, fmt.Errorf("option %s: %w", options[i], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
}

// openIn opens p as it reads inside root, so that no link in an image can lead
// a mount or a file out of it.
func openIn(root int, p string, flags uint64, mode uint64) (int, error) {
	return unix.Openat2(root, "."+path.Clean("/"+p), &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: mode,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}

// mkdirIn makes p and its missing parents inside root.
func mkdirIn(root int, p string, mode uint32) error {
	if p == "/" {
		return nil
	}
	if fd, err := openIn(root, p, unix.O_PATH|unix.O_DIRECTORY, 0); err == nil {
		return unix.Close(fd)
	}
	if err := mkdirIn(root, path.Dir(p), 0o755); err != nil {
		return err
	}
	parent, err := openIn(root, path.Dir(p), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return unix.Mkdirat(parent, path.Base(p), mode)
}

func perform(root int, s step, source int) error {
	switch s.Do {
	case "dir":
		return mkdirIn(root, s.Target, s.Mode)
	case "link":
		parent, err := openIn(root, path.Dir(s.Target), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(parent)
		return unix.Symlinkat(s.Text, parent, path.Base(s.Target))
	case "file":
		return writeIn(root, s.Target, s.Text)
	case "bind":
		defer unix.Close(source)
		return place(root, s.Target, source, isDir(source))
	case "tmpfs":
		return placeNew(root, s.Target, "tmpfs", harmless, "mode", fmt.Sprintf("%#o", s.Mode))
	case "proc":
		return placeNew(root, s.Target, "proc", harmless|unix.MOUNT_ATTR_NOEXEC)
	case "devpts":
		return placeNew(root, s.Target, "devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "newinstance", "", "ptmxmode", "0666", "mode", "0620")
	}
	return fmt.Errorf("unknown step %q", s.Do)
}

func writeIn(root int, p, text string) error {
	if err := mkdirIn(root, path.Dir(p), 0o755); err != nil {
		return err
	}
	fd, err := openIn(root, p, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), p)
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func placeNew(root int, target, kind string, attr int, options ...string) error {
	fd, err := newFS(kind, attr, options...)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return place(root, target, fd, true)
}

// place puts the mount fd at target, whose mount point it makes when missing.
func place(root int, target string, fd int, dir bool) error {
	var err error
	if dir {
		err = mkdirIn(root, target, 0o755)
	} else if at, openErr := openIn(root, target, unix.O_PATH, 0); openErr == nil {
		unix.Close(at)
	} else {
		err = writeIn(root, target, "")
	}
	if err != nil {
		return fmt.Errorf("making the mount point: %w", err)
	}
	at, err := openIn(root, target, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	return unix.MoveMount(fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// maskProc takes away what /proc shows of the kernel and lets change: a
// process with uid 0 may write there even without capabilities.
func maskProc(root int) error {
	for _, p := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"} {
		if err := cover(root, p, p); err != nil {
			return err
		}
	}
	for _, p := range []string{"/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list"} {
		if err := cover(root, "/dev/null", p); err != nil {
			return err
		}
	}
	for _, p := range []string{"/proc/acpi", "/proc/scsi"} {
		if err := cover(root, "/sys", p); err != nil {
			return err
		}
	}
	return nil
}

// cover binds from, read-only, over at; where at does not exist it does nothing.
func cover(root int, from, at string) error {
	if fd, err := openIn(root, at, unix.O_PATH, 0); err != nil {
		return nil
	} else if err := unix.Close(fd); err != nil {
		return err
	}
	at0, err := openIn(root, from, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(at0)
	fd, err := unix.OpenTree(at0, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := setReadOnly(fd); err != nil {
		return err
	}
	return place(root, at, fd, isDir(fd))
}
