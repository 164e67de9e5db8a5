// Package doctor says whether a host can build a recipe: Host.Examine reads
// /proc, /sys and the disk, and gives a Check for each thing that a build needs.
package doctor

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Check is the answer to one question.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Needed string `json:"needed"`
	// Remedy is what to type or change when the check is not OK, else "".
	Remedy string `json:"remedy"`
	// Required is whether a build cannot run while the check is not OK.
	Required bool `json:"required"`
}

// Needs is what a recipe asks of the host that builds it. Zero values ask nothing.
type Needs struct {
	Recipe   string // its name, for the remedies
	Platform string // as "linux/arm64"
	Memory   int64  // bytes of RAM
	Disk     int64  // bytes free at the store
}

// Host is a host as it can be read.
type Host struct {
	Root     fs.FS  // its file system, of which proc and sys are read
	Platform string // as "linux/amd64"
	User     int    // the user id that builds would run as
	Store    Store
	Sandbox  sandbox.Report
}

// Store is the disk at the store.
type Store struct {
	Dir  string
	Free int64 // bytes that the user may still write
	Err  error // why the store cannot be used
}

// Examine answers all questions, always in the same order.
func (h Host) Examine(n Needs) []Check {
	checks := []Check{h.platform(n), h.kernel()}
	checks = append(checks, h.sandbox()...)
	return append(checks, h.memory(n), h.disk(n), h.gpu(), h.driver())
}

// CanBuild is whether no required check failed.
func CanBuild(checks []Check) bool {
	for _, c := range checks {
		if c.Required && !c.OK {
			return false
		}
	}
	return true
}

func (h Host) platform(n Needs) Check {
	c := Check{Name: "platform", OK: true, Found: h.Platform, Needed: n.Platform, Required: true}
	switch {
	case n.Platform == "":
		c.Needed = "any"
	case n.Platform != h.Platform:
		c.OK = false
		c.Remedy = fmt.Sprintf("build recipe %s on a %s host (a GX10 is linux/arm64), or use `-r empty` here", n.Recipe, n.Platform)
	}
	return c
}

// oldest is the first kernel with mount_setattr, which makes a whole tree read-only at once.
var oldest = [2]int{5, 12}

func (h Host) kernel() Check {
	c := Check{Name: "kernel", Found: h.read("proc/sys/kernel/osrelease"), Needed: fmt.Sprintf("%d.%d or later", oldest[0], oldest[1]), Required: true}
	major, minor, ok := kernelVersion(c.Found)
	c.OK = ok && (major > oldest[0] || major == oldest[0] && minor >= oldest[1])
	if !c.OK {
		c.Remedy = "boot a newer kernel: DGX OS and Ubuntu 24.04 have 6.8 or later"
	}
	if c.Found == "" {
		c.Found = "unknown"
	}
	return c
}

func kernelVersion(release string) (major, minor int, ok bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	end := strings.IndexFunc(parts[1], func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(parts[1])
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1][:end])
	return major, minor, err1 == nil && err2 == nil
}

// read is the trimmed text of a small file, "" when it cannot be read.
func (h Host) read(name string) string {
	text, err := fs.ReadFile(h.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
