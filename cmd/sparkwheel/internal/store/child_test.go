package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// Some faults need a process of their own: one that shares, one that is
// killed, one that sees a small or a read-only disk. They are this binary.
const childEnv = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var children = map[string]func(args []string) error{
	"share": childShare, "hang": childHang, "full": childFull, "readonly": childReadOnly,
}

func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// ownMounts lets cmd mount in a namespace of its own, as root or not.
func ownMounts(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

var sharedKey = store.NewHash("shared").Field("input", "1").Key()

// childShare fills one entry slowly and notes the fill in a file.
func childShare(args []string) error {
	s, err := store.Open(args[0])
	if err != nil {
		return err
	}
	path, _, err := s.Do(context.Background(), store.Stage, sharedKey, func(dir string) error {
		f, err := os.OpenFile(args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString("filled\n")
		time.Sleep(100 * time.Millisecond)
		return errors.Join(err, f.Close(), os.WriteFile(filepath.Join(dir, "a"), bytes.Repeat([]byte("a"), 1<<20), 0o644))
	})
	if err != nil {
		return err
	}
	got, err := os.ReadFile(filepath.Join(path, "a"))
	if err == nil && len(got) != 1<<20 {
		err = fmt.Errorf("read %d bytes", len(got))
	}
	return err
}

func TestDoSharesBetweenProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fills := filepath.Join(t.TempDir(), "fills")
	var cmds []*exec.Cmd
	for range 6 {
		cmd := child(t, "share", filepath.Join(dir, "store"), fills)
		cmd.Stderr = new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, cmd.Stderr)
		}
	}
	if got, err := os.ReadFile(fills); err != nil || string(got) != "filled\n" {
		t.Errorf("fills: %q, %v", got, err)
	}
}

// childHang writes half an entry, says so, and waits to be killed.
func childHang(args []string) error {
	s, err := store.Open(args[0])
	if err != nil {
		return err
	}
	_, _, err = s.Do(context.Background(), store.Stage, sharedKey, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), []byte("ha"), 0o644); err != nil {
			return err
		}
		fmt.Println("half written")
		time.Sleep(time.Hour)
		return nil
	})
	return err
}

// hang starts childHang and kills it when it has written half an entry.
func hang(t *testing.T, dir string) {
	t.Helper()
	cmd := child(t, "hang", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func TestDoAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Run("seen by a run that has the store open", func(t *testing.T) {
		s := open(t, dir)
		hang(t, dir)
		path, hit, err := s.Do(t.Context(), store.Stage, sharedKey, writes("whole", "x"))
		if err != nil || hit {
			t.Fatalf("hit %v, %v", hit, err)
		}
		if _, err := os.Stat(filepath.Join(path, "half")); !os.IsNotExist(err) {
			t.Errorf("the dead run's half file is in the entry: %v", err)
		}
	})
	t.Run("swept by the next to open", func(t *testing.T) {
		dir := t.TempDir()
		hang(t, dir)
		if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 1 {
			t.Fatalf("after the kill tmp holds %v", left)
		}
		s := open(t, dir)
		if left, _ := os.ReadDir(s.Scratch()); len(left) != 0 {
			t.Errorf("tmp still holds %v", left)
		}
	})
	t.Run("left alone while its run lives", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		_, _, err := s.Do(t.Context(), store.Stage, sharedKey, func(tmp string) error {
			other, err := store.Open(dir)
			if err != nil {
				return err
			}
			_, err = os.Stat(tmp)
			return errors.Join(err, other.Close())
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// childFull fills entries of a store on a disk of one MiB.
func childFull(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("%w: %w", errNoMounts, err)
	}
	s, err := store.Open(filepath.Join(args[0], "store"))
	if err != nil {
		return err
	}
	big := bytes.Repeat([]byte("x"), 4<<20)
	_, _, err = s.Do(context.Background(), store.Stage, sharedKey, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "big"), big, 0o644)
	})
	fmt.Println(err)
	full, ok := errors.AsType[*store.FullError](err)
	if !ok || full.Need < 512<<10 || full.Free < 512<<10 || !strings.Contains(err.Error(), s.Dir) {
		return fmt.Errorf("a full disk is %w", err)
	}
	if left, err := os.ReadDir(s.Scratch()); len(left) > 0 || err != nil {
		return fmt.Errorf("left in tmp: %v, %w", left, err)
	}
	_, hit, err := s.Do(context.Background(), store.Stage, sharedKey, writes("small", "x"))
	if hit || err != nil {
		return fmt.Errorf("the same again: hit %v, %w", hit, err)
	}
	return nil
}

// childReadOnly uses a store on a disk that is made read-only.
func childReadOnly(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("%w: %w", errNoMounts, err)
	}
	dir := filepath.Join(args[0], "store")
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	if _, _, err := s.Do(context.Background(), store.Stage, sharedKey, writes("a", "x")); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := unix.Mount("", args[0], "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if s, err = store.Open(dir); err != nil {
		return err
	}
	_, hit, err := s.Do(context.Background(), store.Stage, sharedKey, notCalled)
	if !hit || err != nil {
		return fmt.Errorf("what is there: hit %v, %w", hit, err)
	}
	_, _, err = s.Do(context.Background(), store.Stage, store.NewHash("other").Key(), notCalled)
	fmt.Println(err)
	if _, ok := errors.AsType[*store.ReadOnlyError](err); !ok {
		return fmt.Errorf("a read-only store is %w", err)
	}
	if err := s.Writable(); err == nil {
		return errors.New("the store says that it can be written")
	}
	if _, err := store.Open(filepath.Join(args[0], "new")); err == nil || !strings.Contains(err.Error(), "--store") {
		return fmt.Errorf("a new store on a read-only disk: %w", err)
	}
	return nil
}

var errNoMounts = errors.New("no mounts in a user namespace")

func TestDoOnBadDisks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full", "readonly"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := child(t, name, t.TempDir())
			ownMounts(cmd)
			out, err := cmd.CombinedOutput()
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || bytes.Contains(out, []byte(errNoMounts.Error())) {
				t.Skipf("needs user namespaces with mounts: %v %s", err, out)
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("said: %s", out)
		})
	}
}
