package doctor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func (h Host) memory(n Needs) Check {
	c := Check{Name: "memory", Needed: atLeast(n.Memory), Required: true}
	total, ok := meminfo(h.read("proc/meminfo"), "MemTotal")
	if !ok {
		c.Found, c.OK = "unknown", true
		return c
	}
	available, _ := meminfo(h.read("proc/meminfo"), "MemAvailable")
	c.Found = fmt.Sprintf("%s, %s available", store.Size(total), store.Size(available))
	switch {
	case total < n.Memory:
		c.Remedy = fmt.Sprintf("build recipe %s on a host with more memory", n.Recipe)
	case available < n.Memory:
		c.Required = false
		c.Remedy = "stop what uses the memory (a running model takes most of it), or use fewer jobs (-j 1)"
	default:
		c.OK = true
	}
	return c
}

// meminfo is a value of /proc/meminfo in bytes.
func meminfo(text, key string) (int64, bool) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if name != key {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 53)
		return kib << 10, err == nil
	}
	return 0, false
}

func (h Host) disk(n Needs) Check {
	c := Check{Name: "disk", Needed: atLeast(n.Disk) + " free", Required: true}
	switch {
	case h.Store.Err != nil:
		c.Found = firstLine(h.Store.Err)
		if e, ok := errors.AsType[*store.ReadOnlyError](h.Store.Err); ok {
			c.Found = fmt.Sprintf("%s cannot be written: %v", e.Dir, e.Reason())
		}
		c.Remedy = "give --store a directory on a local disk that you can write to"
	case h.Store.Free < n.Disk:
		c.Found = fmt.Sprintf("%s free at %s", store.Size(h.Store.Free), h.Store.Dir)
		c.Remedy = "free some with `sparkwheel cache gc`, or give --store a directory on a larger disk"
	default:
		c.OK = true
		c.Found = fmt.Sprintf("%s free at %s", store.Size(h.Store.Free), h.Store.Dir)
	}
	return c
}

func atLeast(n int64) string {
	if n == 0 {
		return "any"
	}
	return "at least " + store.Size(n)
}
