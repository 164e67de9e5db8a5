package sandbox

import (
	"os"
	"regexp"
	"strconv"
)

var memAvailable = regexp.MustCompile(`(?m)^MemAvailable:\s+(\d+) kB$`)

// Jobs is how many jobs that need perJob bytes each may run at once, most at
// the most and one at the least, by the memory that is free on this host now.
// GPU and processors share one memory on a GB10: what a model holds is not
// free. perJob 0 leaves most as it is.
func Jobs(most int, perJob int64) int {
	free, ok := FreeMemory()
	return jobs(most, perJob, free, ok)
}

func jobs(most int, perJob, free int64, known bool) int {
	if perJob > 0 && known {
		most = min(most, int(free/perJob))
	}
	return max(most, 1)
}

// FreeMemory is the memory in bytes that can be had on this host now without
// pushing anything out (MemAvailable); false where the kernel does not tell.
func FreeMemory() (int64, bool) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	m := memAvailable.FindSubmatch(b)
	if m == nil {
		return 0, false
	}
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10, err == nil
}
