package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const watchEvery = 250 * time.Millisecond

// watcher limits memory and processes where no cgroup can: it reads what the
// sandbox's processes use, and kills the largest when they use too much.
type watcher struct {
	memory    int64 // 0: no limit
	processes int   // 0: no limit
	kill      func()

	mu     sync.Mutex
	peak   int64
	killed bool
}

// watch starts a watcher over the pid namespace of pid 1 of a sandbox, known
// here as pid. stop ends it and waits for its end.
func (w *watcher) watch(pid int) (stop func()) {
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		if err != nil {
			return
		}
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				w.look(space, pid)
			}
		}
	}()
	return func() { close(done); <-finished }
}

// look sums up once, and acts once.
func (w *watcher) look(space string, first int) {
	var sum, most int64
	var largest, count int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if s, err := os.Readlink(dir + "/ns/pid"); err != nil || s != space {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		count++
		used := anonymous(dir)
		sum += used
		if used > most && pid != first {
			most, largest = used, pid
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak = max(w.peak, sum)
	if w.memory > 0 && sum > w.memory && largest > 0 {
		w.killed = true
		_ = unix.Kill(largest, unix.SIGKILL)
	}
	if w.processes > 0 && count > w.processes {
		// One by one they would come back faster than they go.
		w.kill()
	}
}

// anonymous is the memory of the process at dir that it shares with no file.
func anonymous(dir string) int64 {
	b, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(f[1], 10, 64)
	shared, _ := strconv.ParseInt(f[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
