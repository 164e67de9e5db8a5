package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// step is one thing that the child does to build the sandbox's root. Targets
// are absolute inside; a source is a host path.
type step struct {
	Do       string // dir, link, file, bind, tmpfs, proc, devpts
	Target   string
	Source   string `json:",omitempty"` // bind
	Writable bool   `json:",omitempty"` // bind, tmpfs
	Text     string `json:",omitempty"` // link: where it points; file: its content
	Mode     uint32 `json:",omitempty"` // dir, tmpfs
}

// hostEntries are what Root "/" shows of the host: the operating system, and
// nothing of its users or of their work.
var hostEntries = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr",
	"etc/alternatives", "etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/os-release", "etc/debian_version"}

// ownEntries are made new in every sandbox, never taken from the root.
var ownEntries = []string{"/dev", "/proc", "/sys", "/tmp", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"}

// layout plans the root of a sandbox: a small file system in memory whose
// directories are the root's own, bound read-only as high up as the mount
// points in it allow. It reads names and kinds below root, and changes nothing.
func layout(root, hostname string, cpus int, mounts []Mount) ([]step, error) {
	mounts, err := cleanMounts(root, mounts)
	if err != nil {
		return nil, err
	}
	l := &layouter{root: root, open: map[string]bool{"/": true, "/etc": true}, skip: map[string]bool{}}
	for _, p := range ownEntries {
		l.skip[p] = true
	}
	for _, m := range mounts {
		l.skip[m.Target] = true
		if covered(mounts, m.Target) {
			continue
		}
		for dir := path.Dir(m.Target); dir != "/"; dir = path.Dir(dir) {
			l.open[dir] = true
		}
	}
	if err := l.expand("/", true); err != nil {
		return nil, err
	}
	l.own(hostname, cpus)
	l.mount(mounts)
	return l.steps, nil
}

// layoutOver plans a sandbox whose root is an overlay over root: what the
// command changes there is kept, so nothing of the sandbox's own may be written
// to it. Mount points and files that root lacks come from below it instead.
func layoutOver(root, hostname string, cpus int, mounts []Mount) ([]step, error) {
	mounts, err := cleanMounts(root, mounts)
	if err != nil {
		return nil, err
	}
	l := &layouter{root: root}
	l.own(hostname, cpus)
	l.mount(mounts)
	return l.steps, nil
}

func (l *layouter) mount(mounts []Mount) {
	l.add(step{Do: "dir", Target: "/build", Mode: 0o755})
	for _, m := range mounts {
		l.add(step{Do: "bind", Source: m.Source, Target: m.Target, Writable: m.Writable})
	}
}

// cleanMounts checks mounts, resolves their targets inside root and sorts them,
// so that a mount comes before those below it.
func cleanMounts(root string, mounts []Mount) ([]Mount, error) {
	mounts = slices.Clone(mounts)
	for i, m := range mounts {
		if !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target || m.Target == "/" {
			return nil, fmt.Errorf("mounting %s at %q: the target is not a clean absolute path", m.Source, m.Target)
		}
		if !filepath.IsAbs(m.Source) {
			return nil, fmt.Errorf("mounting %q at %s: the source is not an absolute path", m.Source, m.Target)
		}
		mounts[i].Target = resolveIn(root, m.Target)
	}
	sort.SliceStable(mounts, func(i, j int) bool { return mounts[i].Target < mounts[j].Target })
	return mounts, nil
}

// resolveIn follows the symbolic links of target's existing parents as they
// read inside root, so that a mount at /lib/x lands in /usr/lib where /lib is a
// link. The last part is never followed: a link there gives way to the mount.
func resolveIn(root, target string) string {
	const maxLinks = 40
	rest := strings.Split(strings.Trim(target, "/"), "/")
	done := "/"
	for links := 0; len(rest) > 1; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		to, err := os.Readlink(filepath.Join(root, next))
		if err != nil || links == maxLinks || !shown(root, next) {
			done = next
			continue
		}
		links++
		if path.IsAbs(to) {
			done = "/"
		}
		// Joined text keeps ".." from climbing above root: Clean stops at "/".
		rest = append(strings.Split(strings.Trim(path.Clean(to), "/"), "/"), rest...)
	}
	return path.Join(done, rest[0])
}

// covered says whether target lies below another mount's target.
func covered(mounts []Mount, target string) bool {
	return slices.ContainsFunc(mounts, func(m Mount) bool {
		return strings.HasPrefix(target, m.Target+"/")
	})
}

type layouter struct {
	root  string
	open  map[string]bool // directories made new and filled entry by entry
	skip  map[string]bool // what something else will stand at
	steps []step
}

func (l *layouter) add(s step) { l.steps = append(l.steps, s) }

// expand makes dir new and puts the entries into it that the root's own
// directory there has. A link in its place may lead out of the root, and is
// never followed.
func (l *layouter) expand(dir string, there bool) error {
	if dir != "/" {
		l.add(step{Do: "dir", Target: dir, Mode: 0o755})
	}
	var entries []os.DirEntry
	if there {
		var err error
		if entries, err = os.ReadDir(filepath.Join(l.root, dir)); err != nil {
			return fmt.Errorf("reading the sandbox's root: %w", err)
		}
	}
	made := map[string]bool{}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		if l.skip[p] || !l.open[p] && !shown(l.root, p) {
			continue
		}
		made[p] = true
		if err := l.entry(p, e.Type()); err != nil {
			return err
		}
	}
	return l.expandMissing(dir, made)
}

func (l *layouter) entry(p string, kind fs.FileMode) error {
	host := filepath.Join(l.root, p)
	switch {
	case l.open[p]:
		return l.expand(p, kind.IsDir())
	case kind&fs.ModeSymlink != 0:
		to, err := os.Readlink(host)
		if err != nil {
			return fmt.Errorf("reading the sandbox's root: %w", err)
		}
		l.add(step{Do: "link", Target: p, Text: to})
	case kind.IsDir(), kind.IsRegular():
		l.add(step{Do: "bind", Source: host, Target: p})
	}
	return nil
}

// expandMissing makes the open directories right below dir that root lacks.
func (l *layouter) expandMissing(dir string, made map[string]bool) error {
	var missing []string
	for p := range l.open {
		if p != "/" && path.Dir(p) == dir && !made[p] && !l.skip[p] {
			missing = append(missing, p)
		}
	}
	slices.Sort(missing)
	for _, p := range missing {
		if err := l.expand(p, false); err != nil {
			return err
		}
	}
	return nil
}

// shown says whether p of root may be seen; only the host's own hides anything.
func shown(root, p string) bool {
	if root != "/" {
		return true
	}
	p = strings.TrimPrefix(p, "/")
	return slices.ContainsFunc(hostEntries, func(e string) bool { return p == e || strings.HasPrefix(p, e+"/") })
}

// own adds what every sandbox has alike, whatever its root holds.
func (l *layouter) own(hostname string, cpus int) {
	l.add(step{Do: "file", Target: "/etc/hostname", Text: hostname + "\n"})
	l.add(step{Do: "file", Target: "/etc/hosts", Text: "127.0.0.1 localhost " + hostname + "\n::1 localhost\n"})
	l.add(step{Do: "file", Target: "/etc/resolv.conf"})
	if l.root == "/" {
		l.add(step{Do: "file", Target: "/etc/passwd", Text: "root:x:0:0:root:/build/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"})
		l.add(step{Do: "file", Target: "/etc/group", Text: "root:x:0:\nnogroup:x:65534:\n"})
	}
	l.add(step{Do: "link", Target: "/etc/mtab", Text: "../proc/self/mounts"})
	l.add(step{Do: "tmpfs", Target: "/tmp", Mode: 0o1777, Writable: true})
	l.add(step{Do: "proc", Target: "/proc"})
	l.device()
	l.add(step{Do: "dir", Target: "/sys", Mode: 0o755})
	if cpus > 0 {
		l.add(step{Do: "dir", Target: "/sys/devices/system/cpu", Mode: 0o755})
		for _, name := range []string{"online", "possible", "present"} {
			l.add(step{Do: "file", Target: "/sys/devices/system/cpu/" + name, Text: cpuRange(cpus)})
		}
	}
}

func cpuRange(n int) string {
	if n == 1 {
		return "0\n"
	}
	return fmt.Sprintf("0-%d\n", n-1)
}

func (l *layouter) device() {
	l.add(step{Do: "dir", Target: "/dev", Mode: 0o755})
	for _, name := range []string{"full", "null", "random", "urandom", "zero"} {
		l.add(step{Do: "bind", Source: "/dev/" + name, Target: "/dev/" + name, Writable: true})
	}
	l.add(step{Do: "link", Target: "/dev/fd", Text: "/proc/self/fd"})
	l.add(step{Do: "link", Target: "/dev/stdin", Text: "/proc/self/fd/0"})
	l.add(step{Do: "link", Target: "/dev/stdout", Text: "/proc/self/fd/1"})
	l.add(step{Do: "link", Target: "/dev/stderr", Text: "/proc/self/fd/2"})
	l.add(step{Do: "link", Target: "/dev/ptmx", Text: "pts/ptmx"})
	l.add(step{Do: "devpts", Target: "/dev/pts"})
	l.add(step{Do: "tmpfs", Target: "/dev/shm", Mode: 0o1777, Writable: true})
}
