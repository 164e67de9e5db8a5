package sandbox

import (
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// MemoryControl is the means by which a command's memory is limited.
type MemoryControl string

const (
	CgroupV2 MemoryControl = "cgroup v2" // a delegated directory of the unified hierarchy
	CgroupV1 MemoryControl = "cgroup v1" // a directory of the memory hierarchy
	Watcher  MemoryControl = "watcher"   // no cgroup may be made: usage is read and acted on
)

var wholeMap = regexp.MustCompile(`^\s*0\s+0\s+4294967295\s*$`)

// memoryControl says what this process could use, without changing anything.
func memoryControl() MemoryControl {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil && writable("/sys/fs/cgroup"+ownCgroup("")) {
		return CgroupV2
	}
	if dir := ownCgroup("memory"); dir != "" && writable("/sys/fs/cgroup/memory"+dir) {
		return CgroupV1
	}
	return Watcher
}

// ownCgroup returns this process's directory in the hierarchy of controller
// ("" is the unified one), or "" when it has none.
func ownCgroup(controller string) string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && (f[1] == controller || controller != "" && contains(f[1], controller)) {
			return f[2]
		}
	}
	return ""
}

func contains(list, item string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if part == item {
			return true
		}
	}
	return false
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }
