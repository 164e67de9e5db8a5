package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Init()
	if what := os.Getenv("SPARKWHEEL_TRY"); what != "" {
		try(what)
	}
	os.Exit(m.Run())
}

const searchPath = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

// run runs cmd in a sandbox over the host's own system and returns its output.
// A host without namespaces skips the test.
func run(t *testing.T, cmd Command) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.Output = &out
	if cmd.Env == nil {
		cmd.Env = []string{searchPath}
	}
	err := (&Sandbox{Root: "/"}).Run(t.Context(), cmd)
	if n, ok := errors.AsType[*NamespaceError](err); ok {
		t.Skipf("this host refuses namespaces: %v", n)
	}
	return out.String(), err
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// eachUser runs the test as it is, and when that is root, once more as nobody.
func eachUser(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		test(t)
		return
	}
	t.Run("root", test)
	t.Run("nobody", func(t *testing.T) {
		// t.TempDir lies in a directory that nobody may not enter.
		dir, err := os.MkdirTemp("", "sparkwheel-nobody-*")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		program := filepath.Join(dir, "test")
		copyProgram(t, program)
		if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(dir+"/tmp", 0o755), os.Chown(dir+"/tmp", 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(t.Name(), "/")
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+name+"$", "-test.v", "-test.count=1")
		cmd.Env = []string{searchPath, "HOME=" + dir + "/tmp", "TMPDIR=" + dir + "/tmp"}
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil && strings.Contains(string(out), "--- SKIP: "+name) {
			t.Skipf("as nobody: %s", out)
		}
		if err != nil || !strings.Contains(string(out), "PASS: "+name) {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
	})
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	// A process that another test forks now would hold the copy open for writing,
	// and it could not be run until that has ended.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestRunShowsOnePlace(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		work := t.TempDir()
		got, err := run(t, Command{
			Args: sh(`umask; uname -n; id -u; id -g; pwd; echo pid $$; cat /proc/self/personality
[ "$(cut -d' ' -f6 /proc/$$/stat)" = $$ ] && echo a session of its own; env | sort; cat /proc/net/dev | tail -n +3 | cut -d: -f1
ls -d /[a-z]* | grep -v ^/lib; ls /dev; ls -l /proc/self/fd | wc -l; cat /etc/hosts; read x || echo no input; echo work > /build/made`),
			Env: []string{searchPath, "K=V"}, Dir: "/build",
			Mounts: []Mount{{Source: work, Target: "/build", Writable: true}},
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		want := `0022
sparkwheel
0
0
/build
pid 100
00040000
a session of its own
K=V
` + searchPath + `
PWD=/build
    lo
/bin
/build
/dev
/etc
/proc
/sbin
/sys
/tmp
/usr
fd
full
null
ptmx
pts
random
shm
stderr
stdin
stdout
urandom
zero
5
127.0.0.1 localhost sparkwheel
::1 localhost
no input
`
		if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); err != nil {
			want = strings.Replace(want, "pid 100\n", "", 1)
			got = strings.Join(append(strings.SplitAfter(got, "\n")[:5], strings.SplitAfter(got, "\n")[6:]...), "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("inside (-want +got):\n%s", diff)
		}
		if b, err := os.ReadFile(filepath.Join(work, "made")); string(b) != "work\n" {
			t.Errorf("the writable mount holds %q, %v", b, err)
		}
	})
}

func TestRunMakesNamespaces(t *testing.T) {
	eachUser(t, func(t *testing.T) {
		t.Parallel()
		kinds := []string{"cgroup", "ipc", "mnt", "net", "pid", "uts", "user"}
		got, err := run(t, Command{Args: sh("cd /proc/self/ns && for n in " + strings.Join(kinds, " ") + "; do readlink $n; done")})
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		for i, inside := range strings.Fields(got) {
			outside, err := os.Readlink("/proc/self/ns/" + kinds[i])
			if err != nil {
				t.Fatal(err)
			}
			if same, want := inside == outside, kinds[i] == "user" && os.Geteuid() == 0; same != want {
				t.Errorf("%s inside, %s outside", inside, outside)
			}
		}
	})
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	for name, tc := range map[string]struct {
		script string
		want   ExitError
	}{
		"code":   {"echo a; exit 7", ExitError{Code: 7, Tail: []byte("a")}},
		"signal": {"kill -SEGV $$", ExitError{Code: 139, Signal: syscall.SIGSEGV, Tail: nil}},
		"tail":   {"i=0; while [ $i -lt 100 ]; do echo " + long + " $i; i=$((i+1)); done; exit 1", ExitError{Code: 1, Tail: tailOf(long, 60, 100)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := run(t, Command{Args: sh(tc.script)})
			got, ok := errors.AsType[*ExitError](err)
			if !ok {
				t.Fatalf("Run = %v, want an *ExitError", err)
			}
			tc.want.Args, tc.want.Peak = sh(tc.script), got.Peak
			if diff := cmp.Diff(tc.want, *got, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); diff != "" {
				t.Errorf("ExitError (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := run(t, Command{Args: []string{"no-such-program"}}); err == nil || !strings.Contains(err.Error(), "no executable file no-such-program in PATH") {
		t.Errorf("Run = %v", err)
	}
}

func tailOf(text string, from, to int) []byte {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("%s %d", text, i))
	}
	return []byte(strings.Join(lines, "\n"))
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"obeys":   `trap 'echo ended; exit 0' TERM; echo ready; sleep 60 & wait`,
		"ignores": `trap '' TERM; echo ready; while :; do sleep 60; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &signalWriter{text: "ready", found: cancel}
			s := &Sandbox{Root: "/", grace: 300 * time.Millisecond}
			err := s.Run(ctx, Command{Args: sh(script), Env: []string{searchPath}, Output: out})
			if n, ok := errors.AsType[*NamespaceError](err); ok {
				t.Skip(n)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Run = %v, want %v", err, context.Canceled)
			}
			if got := strings.Contains(out.got.String(), "ended"); got != (name == "obeys") {
				t.Errorf("output %q", out.got.String())
			}
		})
	}
}

// signalWriter calls found once text has been written.
type signalWriter struct {
	text  string
	found func()
	got   bytes.Buffer
}

func (w *signalWriter) Write(p []byte) (int, error) {
	w.got.Write(p)
	if strings.Contains(w.got.String(), w.text) {
		w.found()
	}
	return len(p), nil
}

func TestRunShowsFixedLimits(t *testing.T) {
	t.Parallel()
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the value
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("1\n1\n0\n%d\n16384\n0\n8192\n", min(20-own+7, 19))
	got, err := run(t, Command{Args: sh("nproc; getconf _NPROCESSORS_ONLN; cat /sys/devices/system/cpu/online; nice; ulimit -n; ulimit -c; ulimit -s"), CPUs: 1, Nice: 7})
	if err != nil || got != want {
		t.Errorf("Run = %q, %v (this host has %d)", got, err, runtime.NumCPU())
	}
}

func TestRunPlain(t *testing.T) {
	t.Parallel()
	source, at := t.TempDir(), filepath.Join(t.TempDir(), "deep", "at")
	var out bytes.Buffer
	s := &Sandbox{Mode: None}
	err := s.Run(t.Context(), Command{Args: []string{"sh", "-c", "echo $K; echo x > made; exit 3"}, Dir: at, Env: []string{searchPath, "K=V"},
		Mounts: []Mount{{Source: source, Target: at, Writable: true}}, Output: &out})
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 3 || out.String() != "V\n" {
		t.Errorf("Run = %v, output %q", err, out.String())
	}
	if _, err := os.Stat(filepath.Join(source, "made")); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(at); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
}

func TestRunPlainTakesTurns(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "build")
	// A killed command has left its link.
	if err := os.Symlink(t.TempDir(), at); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 3 {
		source := t.TempDir()
		g.Go(func() error {
			return (&Sandbox{Mode: None}).Run(t.Context(), Command{Args: sh("[ ! -e mine ] && echo x > mine"), Dir: at,
				Mounts: []Mount{{Source: source, Target: at, Writable: true}}})
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(at, nil, 0o644); err != nil {
		t.Errorf("a link is left: %v", err)
	}
	err := (&Sandbox{Mode: None}).Run(t.Context(), Command{Args: sh("true"), Mounts: []Mount{{Source: t.TempDir(), Target: at}}})
	if err == nil || !strings.Contains(err.Error(), "remove it, or build in the sandbox") {
		t.Errorf("Run over a file = %v", err)
	}
}

func BenchmarkRun(b *testing.B) {
	s := &Sandbox{Root: "/"}
	for b.Loop() {
		if err := s.Run(b.Context(), Command{Args: []string{"/bin/true"}}); err != nil {
			b.Skip(err)
		}
	}
}

func TestBeforeRunsInTheSameSandbox(t *testing.T) {
	t.Parallel()
	before := [][]string{sh("echo $$ > /tmp/pid; setsid sleep 73 & exit 0"), sh("grep -l sleep.7[3] /proc/[0-9]*/cmdline")}
	_, err := run(t, Command{Before: before, Args: sh("exit 8")})
	if e, ok := errors.AsType[*ExitError](err); !ok || !slices.Equal(e.Args, before[1]) {
		t.Errorf("Run = %v, want that the second command finds no process of the first", err)
	}
	before[1] = sh("echo $$ >> /tmp/pid")
	got, err := run(t, Command{Before: before, Args: sh("cat /tmp/pid; echo $$; exit 8"), Echo: true})
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 8 {
		t.Errorf("Run = %v, want exit status 8", err)
	}
	want := "+ /bin/sh -c " + before[0][2] + "\n+ /bin/sh -c " + before[1][2] + "\n+ /bin/sh -c cat /tmp/pid; echo $$; exit 8\n"
	if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); err == nil {
		want += "100\n100\n100\n"
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("the commands said\n%s\nwant\n%s", got, want)
	}
	var out bytes.Buffer
	err = (&Sandbox{Mode: None}).Run(t.Context(), Command{Before: [][]string{sh("echo a"), sh("exit 4")}, Args: sh("echo c"), Echo: true, Output: &out})
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != 4 || out.String() != "+ /bin/sh -c echo a\na\n+ /bin/sh -c exit 4\n" {
		t.Errorf("Run = %v, output %q", err, out.String())
	}
}
