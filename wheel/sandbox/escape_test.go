package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// try is the other side of the escape tests: this program, inside the sandbox
// (or, for "outlive", beside it). It prints what succeeded.
func try(what string) {
	name, arg, _ := strings.Cut(what, "=")
	var err error
	switch name {
	case "syscalls":
		trySyscalls()
	case "read":
		err = readSome(arg)
	case "open":
		_, err = os.OpenFile(arg, os.O_RDWR, 0)
	case "list":
		_, err = os.ReadDir(arg)
	case "write":
		err = os.WriteFile(arg, []byte("x"), 0o644)
	case "dial":
		_, err = net.DialTimeout("tcp", arg, time.Second)
	case "ask":
		err = ask(arg)
	case "kill":
		var pid int
		if pid, err = strconv.Atoi(arg); err == nil {
			err = unix.Kill(pid, 0)
		}
	case "user":
		fmt.Println("user", unix.Geteuid())
	case "setuid":
		err = runSetuid(arg)
	case "abstract":
		_, err = net.Dial("unix", arg)
	case "resolve":
		_, err = net.LookupHost(arg)
	case "outlive":
		s := &Sandbox{Root: "/"}
		err = s.Run(context.Background(), Command{Args: []string{"/bin/sleep", arg}, Memory: 1 << 30})
	}
	if err != nil {
		fmt.Println("refused:", err)
		unix.Exit(1)
	}
	unix.Exit(0)
}

// ask sends a datagram, as a look-up of a name is one, and waits for the answer.
func ask(addr string) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	_, err = c.Write([]byte("who"))
	if err == nil {
		_, err = c.Read(make([]byte, 9))
	}
	return err
}

// readSome reads a byte: what is masked reads as empty.
func readSome(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}

// trySyscalls prints every system call that was let through.
func trySyscalls() {
	sys := func(name string, want unix.Errno, nr uintptr, args ...uintptr) {
		args = append(args, 0, 0, 0, 0, 0, 0)
		if _, _, errno := unix.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5]); errno != want {
			fmt.Printf("%s gives %v, not %v\n", name, errno, want)
		}
	}
	at := func(s string) uintptr { p, _ := unix.BytePtrFromString(s); return uintptr(unsafe.Pointer(p)) }
	cwd := unix.AT_FDCWD
	here := uintptr(cwd)
	sys("mount", unix.EPERM, unix.SYS_MOUNT, at("tmpfs"), at("/tmp"), at("tmpfs"))
	sys("umount", unix.EPERM, unix.SYS_UMOUNT2, at("/proc"), unix.MNT_DETACH)
	sys("open_tree", unix.EPERM, unix.SYS_OPEN_TREE, here, at("/"), unix.OPEN_TREE_CLONE)
	sys("chroot", unix.EPERM, unix.SYS_CHROOT, at("/tmp"))
	sys("unshare user", unix.EPERM, unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	sys("clone user", unix.EPERM, unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD))
	sys("clone3", unix.ENOSYS, unix.SYS_CLONE3)
	sys("setns", unix.EPERM, unix.SYS_SETNS, 0, 0)
	sys("ptrace", unix.EPERM, unix.SYS_PTRACE, unix.PTRACE_TRACEME)
	sys("reading another process", unix.EPERM, unix.SYS_PROCESS_VM_READV, uintptr(os.Getpid()))
	sys("bpf", unix.EPERM, unix.SYS_BPF, 0, 0, 0)
	sys("keyctl", unix.EPERM, unix.SYS_KEYCTL, 0, 0)
	sys("perf_event_open", unix.EPERM, unix.SYS_PERF_EVENT_OPEN)
	sys("io_uring_setup", unix.ENOSYS, unix.SYS_IO_URING_SETUP, 1)
	sys("kexec_load", unix.EPERM, unix.SYS_KEXEC_LOAD)
	sys("settimeofday", unix.EPERM, unix.SYS_SETTIMEOFDAY)
	sys("sethostname", unix.EPERM, unix.SYS_SETHOSTNAME, at("x"), 1)
	sys("typing into a terminal", unix.EPERM, unix.SYS_IOCTL, 0, unix.TIOCSTI, at("x"))
	sys("a vsock socket", unix.EAFNOSUPPORT, unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM)
	sys("a packet socket", unix.EAFNOSUPPORT, unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW)
	sys("a raw socket", unix.EPERM, unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	sys("mknod", unix.EPERM, unix.SYS_MKNODAT, here, at("/tmp/sda"), unix.S_IFBLK|0o600, uintptr(unix.Mkdev(8, 0)))
	os.WriteFile("/tmp/f", nil, 0o755)
	sys("chmod u+s", unix.EPERM, unix.SYS_FCHMODAT, here, at("/tmp/f"), 0o4755)
	sys("open with u+s", unix.EPERM, unix.SYS_OPENAT, here, at("/tmp/g"), unix.O_CREAT|unix.O_WRONLY, 0o4755)
	sys("killing the first process", 0, unix.SYS_KILL, 1, uintptr(unix.SIGKILL))
	status, _ := os.ReadFile("/proc/self/status")
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want+"\n") {
			fmt.Printf("/proc/self/status lacks %q\n", want)
		}
	}
}

// attempt runs one try inside the sandbox.
func attempt(t *testing.T, what string) (string, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, Command{Args: []string{"/build/try"}, Env: []string{searchPath, "SPARKWHEEL_TRY=" + what},
		Mounts: []Mount{{Source: program, Target: "/build/try"}}})
}

func TestEscapeBySystemCall(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		if out, err := attempt(t, "syscalls"); err != nil || out != "" {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestEscapeIsRefused(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		go answer(udp)
		abstract := fmt.Sprintf("@sparkwheel-%d", os.Getpid())
		u, err := net.Listen("unix", abstract)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		for _, what := range []string{
			"read=" + secret, "read=/etc/shadow", "list=/root", "list=/home", "read=/proc/kcore", "read=/proc/1/environ", "open=/proc/1/mem",
			"list=/proc/1/root/root", "write=/x", "write=/usr/x", "write=/etc/x", "write=/dev/x", "write=/proc/sys/kernel/hostname",
			"write=/proc/sysrq-trigger", "write=/sys/x", "write=/proc/sys/kernel/core_pattern",
			"dial=" + l.Addr().String(), "dial=169.254.169.254:80", "dial=1.1.1.1:443", "ask=" + udp.LocalAddr().String(), "kill=" + strconv.Itoa(os.Getpid()), "abstract=" + abstract, "resolve=example.com",
		} {
			out, err := attempt(t, what)
			if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 1 {
				t.Errorf("%s: %v\n%s", what, err, out)
			}
		}
	})
}

// answer answers every datagram.
func answer(c net.PacketConn) {
	for {
		_, from, err := c.ReadFrom(make([]byte, 9))
		if err != nil {
			return
		}
		c.WriteTo([]byte("me"), from)
	}
}

func TestEscapeIntoMountsOfAnImage(t *testing.T) {
	t.Parallel()
	// A hostile image has links where the sandbox makes and mounts things.
	outside, root := t.TempDir(), t.TempDir()
	for _, name := range []string{"etc", "tmp", "build", "dev", "proc"} {
		if err := os.Symlink(outside, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"usr", "bin", "lib", "lib64"} {
		if err := os.Symlink("/"+dir, filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	err := (&Sandbox{Root: root}).Run(t.Context(), Command{Args: []string{"/bin/true"}, Mounts: []Mount{{Source: outside, Target: "/etc/x/y"}, {Source: outside, Target: "/build/z"}}})
	if n, ok := errors.AsType[*NamespaceError](err); ok {
		t.Skip(n)
	}
	if err == nil {
		t.Error("the host's /bin/true was found through a link of the image")
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("written outside the root: %v", left)
	}
}

func TestForkBombEnds(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		_, err := run(t, Command{Args: sh(`bomb() { bomb | bomb & }; bomb; sleep 2; exit 5`), Processes: 60})
		if _, ok := errors.AsType[*ExitError](err); !ok {
			t.Errorf("Run = %v, want an *ExitError", err)
		}
	})
}

func TestProcessesAreLimited(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		out, err := run(t, Command{Args: sh(`i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; exit 5`), Processes: 60})
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Code == 5 {
			t.Errorf("Run = %v, want that not all processes could start\n%s", err, out)
		}
	})
}

func TestEndlessOutputEnds(t *testing.T) {
	t.Parallel()
	out, err := run(t, Command{Args: []string{"yes", "a line of log"}, OutputLimit: 1 << 20})
	e, ok := errors.AsType[*ExitError](err)
	if !ok || e.OutputLimit != 1<<20 || len(e.Tail) == 0 {
		t.Errorf("Run = %v", err)
	}
	if len(out) > 1<<20 {
		t.Errorf("%d bytes of output were kept", len(out))
	}
}

func TestMemoryLimitIsTold(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		// The shell outlives its child, as ninja outlives a compiler.
		_, err := run(t, Command{Args: sh(`head -c 400M /dev/zero | tail -c 390M | wc -c; [ "$(head -c 300M /dev/zero | tail | wc -c)" = 314572800 ] || exit 9`), Memory: 100 << 20})
		e, ok := errors.AsType[*ExitError](err)
		if !ok || !e.OOM || e.Code != 9 || e.Peak < 50<<20 {
			t.Errorf("Run = %#v, want an *ExitError with OOM, code 9 and a peak", err)
		}
		t.Logf("limited by %s: %v", memoryControl(), err)
	})
}

func TestNothingOutlivesTheCommand(t *testing.T) {
	t.Parallel()
	mark := fmt.Sprintf("71%d", os.Getpid())
	if _, err := run(t, Command{Args: sh("setsid sleep " + mark + " & exit 0")}); err != nil {
		t.Fatal(err)
	}
	if pids := processes(t, mark); len(pids) != 0 {
		t.Errorf("still running: %v", pids)
	}
}

func TestNothingOutlivesAKill(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		mark := fmt.Sprintf("72%d", os.Getpid())
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = []string{"SPARKWHEEL_TRY=outlive=" + mark}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for len(processes(t, mark)) == 0 {
			select {
			case err := <-ended:
				t.Skipf("the sandbox did not start here: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		for end := time.Now().Add(10 * time.Second); len(processes(t, mark)) > 0 || len(groupsOf(t, cmd.Process.Pid)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("left: processes %v, cgroups %v", processes(t, mark), groupsOf(t, cmd.Process.Pid))
			}
		}
	})
}

// processes are those that have mark among their arguments.
func processes(t *testing.T, mark string) []string {
	t.Helper()
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		b, _ := os.ReadFile(dir + "/cmdline")
		if strings.Contains(string(b), "sleep\x00"+mark+"\x00") {
			found = append(found, dir)
		}
	}
	return found
}

// groupsOf are the cgroups that the process pid made.
func groupsOf(t *testing.T, pid int) []string {
	t.Helper()
	var found []string
	for _, h := range hierarchies() {
		dirs, _ := filepath.Glob(filepath.Join(h.own, fmt.Sprintf("sparkwheel-%d-*", pid)))
		found = append(found, dirs...)
	}
	return found
}
