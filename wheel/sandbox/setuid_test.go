package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// runSetuid runs the program of dir that sets the user to root in a sandbox, and
// has it read root's secret there.
func runSetuid(dir string) error {
	return (&Sandbox{Root: "/"}).Run(context.Background(), Command{Args: []string{"/build/dir/root"},
		Env: []string{"SPARKWHEEL_TRY=read=/build/dir/secret"}, Mounts: []Mount{{Source: dir, Target: "/build/dir"}}})
}

// TestEscapeBySetuid runs programs that set the user: on the host they work.
func TestEscapeBySetuid(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make programs that set the user")
	}
	dir, err := os.MkdirTemp("", "sparkwheel-setuid-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var on unix.Statfs_t
	if err := unix.Statfs(dir, &on); err != nil || on.Flags&unix.ST_NOSUID != 0 {
		t.Skipf("%s is on a file system without set-user programs: %v", dir, err)
	}
	const other = 12
	for name, owner := range map[string]int{"plain": 0, "root": 0, "other": other} {
		copyProgram(t, filepath.Join(dir, name))
		if err := os.Chown(filepath.Join(dir, name), owner, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(dir+"/root", 0o755|os.ModeSetuid), os.Chmod(dir+"/other", 0o755|os.ModeSetuid), os.WriteFile(dir+"/secret", []byte("secret"), 0o600)); err != nil {
		t.Fatal(err)
	}
	as := func(uid uint32, program, what string) (string, error) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, program))
		cmd.Dir, cmd.Env = "/", []string{"SPARKWHEEL_TRY=" + what}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := as(65534, "root", "read="+dir+"/secret"); err != nil {
		t.Fatalf("the program does not even work on the host: %v\n%s", err, out)
	}
	if out, err := as(65534, "plain", "setuid="+dir); err == nil || !strings.Contains(out, "/build/dir/root: exit status 1") {
		t.Errorf("as nobody, a program that sets the user: %v\n%s", err, out)
	}
	if out, err := as(0, "other", "user"); err != nil || out != fmt.Sprintf("user %d\n", other) {
		t.Fatalf("the program does not even work on the host: %v\n%s", err, out)
	}
	out, err := run(t, Command{Args: []string{"/build/dir/other"}, Env: []string{"SPARKWHEEL_TRY=user"}, Mounts: []Mount{{Source: dir, Target: "/build/dir"}}})
	if err != nil || out != "user 0\n" {
		t.Errorf("as root, a program that sets the user: %v\n%s", err, out)
	}
}
