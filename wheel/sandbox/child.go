package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Init turns a copy of this program that a Sandbox started into the first
// process of that sandbox, and then never returns. In any other process it
// does nothing. Call it first in main, and in TestMain of tests that use Run.
func Init() {
	if len(os.Args) == 0 {
		return
	}
	switch os.Args[0] {
	case keeperName:
		keep()
	case childName:
		first()
	}
}

// first is the life of the first process in a sandbox.
func first() {
	// What confines this thread is inherited by the command it starts.
	runtime.LockOSThread()
	// Files that this program inherited from its own parent are no business of
	// the command's.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		syscall.Exit(1)
	}
	// Threads of this process keep rights that its children lose: none of these
	// may write to its memory through /proc/1/mem.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		syscall.Exit(1)
	}
	orders, status := os.NewFile(3, "orders"), os.NewFile(4, "status")
	reports := json.NewEncoder(status)
	_ = reports.Encode(obey(orders, reports))
	// Unlike os.Exit it does not wait a second under the race detector.
	syscall.Exit(0)
}

// setupError is a step of the child that was refused.
type setupError struct {
	step string
	err  error
}

func (e *setupError) Error() string { return e.step + ": " + e.err.Error() }

func obey(orders *os.File, reports *json.Encoder) report {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	var o order
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return report{Step: "reading its orders", Text: err.Error()}
	}
	// The other end closes when the parent dies, however it dies.
	go func() {
		_, _ = io.Copy(io.Discard, orders)
		syscall.Exit(1)
	}()
	if err := setUp(&o); err != nil {
		rep := report{Step: err.step, Text: err.err.Error()}
		errors.As(err.err, &rep.Errno)
		return rep
	}
	if o.Probe {
		return report{Text: o.overlay}
	}
	return serve(&o, reports)
}

func setUp(o *order) *setupError {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &setupError{"making mounts private", err}
	}
	// Opened while /proc is the host's: the sandbox's own will be read-only.
	o.lastPID, _ = unix.Open("/proc/sys/kernel/ns_last_pid", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err := buildRoot(o); err != nil {
		return err
	}
	// Made here and not at the start, it has the command's own cgroup as its root.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return &setupError{"making a cgroup namespace", err}
	}
	if err := unix.Sethostname([]byte(o.Hostname)); err != nil {
		return &setupError{"setting the host name", err}
	}
	if !o.Network {
		if err := raiseLoopback(); err != nil {
			return &setupError{"raising the loopback interface", err}
		}
	}
	if o.Probe {
		if err := probeOverlay(); err != nil {
			o.overlay = err.Error()
		}
	}
	return confine(o)
}

// raiseLoopback brings up lo, which a new network namespace has down.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// serve runs the commands in order, until one fails.
func serve(o *order, reports *json.Encoder) (rep report) {
	says := os.NewFile(1, "output")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	holdThreads()
	var ending atomic.Bool
	go func() {
		for range signals {
			ending.Store(true)
			_ = unix.Kill(-1, unix.SIGTERM)
		}
	}()
	for i, args := range o.Commands {
		if i > 0 {
			endAll()
		}
		_ = reports.Encode(report{Command: i, Starts: true})
		if o.Echo {
			fmt.Fprintln(says, "+ "+strings.Join(args, " "))
		}
		pid, err := start(o, args)
		if err != nil {
			return report{Command: i, Step: "starting", Text: err.Error()}
		}
		rep = reap(pid)
		if rep.Command = i; rep.Step != "" || rep.Code != 0 || ending.Load() {
			break
		}
	}
	return rep
}

// reap waits for the command, and for whatever processes it left to this one.
func reap(pid int) report {
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return report{Step: "waiting for the command", Text: err.Error()}
		case got == pid && ws.Signaled():
			return report{Code: 128 + int(ws.Signal()), Signal: ws.Signal()}
		case got == pid && ws.Exited():
			return report{Code: ws.ExitStatus()}
		}
	}
}

// endAll ends what a command has left running.
func endAll() {
	for {
		_ = unix.Kill(-1, unix.SIGKILL)
		if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
			return
		}
	}
}

// holdThreads has the runtime start the threads that it may come to need. The
// command may use up all processes that there can be, and a runtime that finds
// no thread then ends the whole sandbox without a word.
func holdThreads() {
	runtime.GOMAXPROCS(2)
	const spare = 10
	var started, ended sync.WaitGroup
	release := make(chan struct{})
	started.Add(spare)
	for range spare {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			<-release
		})
	}
	started.Wait()
	close(release)
	ended.Wait()
}

func start(o *order, args []string) (int, error) {
	file, err := lookPath(args[0], o.Env)
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: o.Dir, Env: o.Env, Files: []uintptr{null.Fd(), 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	// The threads of this process took ids in no fixed number, and compilers
	// write theirs into what they make: the command shall be 100 everywhere. A
	// raw call gives the scheduler no cause to start one more thread.
	last := []byte("99")
	_, _, _ = unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(o.lastPID), uintptr(unsafe.Pointer(&last[0])), uintptr(len(last)), 0, 0, 0)
	return syscall.ForkExec(file, args, attr)
}

// lookPath finds name as a shell would with the PATH that env gives.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var dirs string
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			dirs = v
		}
	}
	for _, dir := range filepath.SplitList(dirs) {
		if !path.IsAbs(dir) {
			continue
		}
		p := path.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("no executable file %s in PATH %q", name, dirs)
}
