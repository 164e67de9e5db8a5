package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MemoryControl is the means by which a command's memory is limited.
type MemoryControl string

const (
	CgroupV2 MemoryControl = "cgroup v2" // a directory of the unified hierarchy
	CgroupV1 MemoryControl = "cgroup v1" // a directory of the memory hierarchy
	Watcher  MemoryControl = "watcher"   // no cgroup may be made: usage is read and acted on
)

// hierarchy is a mounted cgroup file system and where this process is in it.
type hierarchy struct {
	mount string
	own   string // this process's directory, absolute on the host
}

// hierarchies reads the three that matter out of /proc/self: the unified one
// under "", and version 1's "memory" and "pids".
func hierarchies() map[string]hierarchy {
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	own, _ := os.ReadFile("/proc/self/cgroup")
	return parseHierarchies(string(mountinfo), string(own))
}

func parseHierarchies(mountinfo, own string) map[string]hierarchy {
	paths := map[string]string{}
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 {
			for controller := range strings.SplitSeq(f[1], ",") {
				paths[controller] = f[2]
			}
		}
	}
	found := map[string]hierarchy{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 5 || len(a) < 3 {
			continue
		}
		controllers := []string{""}
		if a[0] == "cgroup" {
			controllers = strings.Split(a[2], ",")
		} else if a[0] != "cgroup2" {
			continue
		}
		for _, c := range []string{"", "memory", "pids"} {
			p, ok := paths[c]
			if !ok || !slices.Contains(controllers, c) || (c == "") != (a[0] == "cgroup2") {
				continue
			}
			// A container's mount shows a part of the hierarchy, its root.
			if rel, inside := strings.CutPrefix(p, strings.TrimSuffix(b[3], "/")); inside {
				p = rel
			}
			found[c] = hierarchy{mount: b[4], own: path.Join(b[4], p)}
		}
	}
	return found
}

// parents are the directories of the unified hierarchy under which a group
// could be made that memory and process limits reach, nearest first.
func (h hierarchy) parents() []string {
	var dirs []string
	for dir := h.own; strings.HasPrefix(dir, h.mount); dir = path.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		on := strings.Fields(string(b))
		if err == nil && slices.Contains(on, "memory") && slices.Contains(on, "pids") && writable(dir) {
			dirs = append(dirs, dir)
		}
		if dir == h.mount {
			break
		}
	}
	return dirs
}

func writable(dir string) bool { return dir != "" && unix.Access(dir, unix.W_OK) == nil }

// memoryControl says what this process could use, without changing anything.
func memoryControl() MemoryControl {
	h := hierarchies()
	switch {
	case len(h[""].parents()) > 0:
		return CgroupV2
	case writable(h["memory"].own):
		return CgroupV1
	}
	return Watcher
}

// group is the cgroup of one command, in one hierarchy or two.
type group struct {
	keeper *keeper
	memory string // directory whose files tell of memory, or ""
	pids   string // directory that limits processes, or ""
	v2     bool
}

// newGroup puts the process pid, and so all it will start, into a cgroup with
// these limits. What cannot be made is left out: see the fields.
func newGroup(pid int, memory int64, processes int) *group {
	g := &group{}
	h := hierarchies()
	name := fmt.Sprintf("sparkwheel-%d-%s", os.Getpid(), rand.Text()[:12])
	for _, parent := range h[""].parents() {
		dir := filepath.Join(parent, name)
		limits := map[string]int64{"pids.max": int64(processes)}
		if memory > 0 {
			limits["memory.max"] = memory
		}
		if g.join(dir, pid, limits) {
			// Swapping would slow the machine down where an end is asked for.
			_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
			g.memory, g.pids, g.v2 = dir, dir, true
			return g
		}
	}
	limits := map[string]int64{}
	if memory > 0 {
		limits["memory.limit_in_bytes"] = memory
	}
	if own := h["memory"].own; writable(own) && g.join(filepath.Join(own, name), pid, limits) {
		g.memory = filepath.Join(own, name)
	}
	if own := h["pids"].own; writable(own) && g.join(filepath.Join(own, name), pid, map[string]int64{"pids.max": int64(processes)}) {
		g.pids = filepath.Join(own, name)
	}
	return g
}

// join makes dir with its limits and moves pid there. The keeper hears of dir
// first, so that nothing is left when this process is killed in between.
func (g *group) join(dir string, pid int, limits map[string]int64) bool {
	if g.keeper == nil {
		k, err := startKeeper()
		if err != nil {
			return false
		}
		g.keeper = k
	}
	if g.keeper.note(dir) != nil || os.Mkdir(dir, 0o755) != nil {
		return false
	}
	for file, n := range limits {
		if put(filepath.Join(dir, file), strconv.FormatInt(n, 10)) != nil {
			os.Remove(dir)
			return false
		}
	}
	if put(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)) != nil {
		os.Remove(dir)
		return false
	}
	return true
}

func put(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// end lets the keeper remove the group, which must be empty of processes.
func (g *group) end() {
	if g.keeper != nil {
		g.keeper.finish()
	}
}

// oomKilled says whether the kernel killed a process of the group.
func (g *group) oomKilled() bool {
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	return g.memory != "" && field(filepath.Join(g.memory, file), "oom_kill") > 0
}

// peak is the most memory that the group used, in bytes; 0 when unknown.
func (g *group) peak() int64 {
	if g.memory == "" {
		return 0
	}
	file := "memory.max_usage_in_bytes"
	if g.v2 {
		file = "memory.peak"
	}
	b, _ := os.ReadFile(filepath.Join(g.memory, file))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// field reads the number beside key in a file of "key number" lines.
func field(file, key string) int64 {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}
