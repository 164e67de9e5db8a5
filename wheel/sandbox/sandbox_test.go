package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

// sh runs a shell script in a sandbox over the host's own system.
func sh(t *testing.T, script string, change ...func(*Command)) (string, error) {
	t.Helper()
	cmd := Command{Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}}
	for _, c := range change {
		c(&cmd)
	}
	var out bytes.Buffer
	cmd.Output = &out
	err := (&Sandbox{Root: "/"}).Run(t.Context(), cmd)
	if n, ok := errors.AsType[*NamespaceError](err); ok {
		t.Skipf("this host refuses namespaces: %v", n)
	}
	return out.String(), err
}

func TestRunShowsFixedPlace(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	got, err := sh(t, `umask; hostname; id -u; id -g; pwd; tty; env | sort; ls /; ls /dev; ls /proc/self/fd | wc -l; cat /proc/sys/kernel/hostname; echo $$; ip -br link 2>/dev/null || cat /proc/net/dev | tail -n +3 | cut -d: -f1; touch /build/x`,
		func(c *Command) {
			c.Mounts = []Mount{{Source: work, Target: "/build", Writable: true}}
			c.Dir = "/build"
			c.Env = append(c.Env, "K=V")
		})
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	t.Log(got)
	if _, err := os.Stat(filepath.Join(work, "x")); err != nil {
		t.Error(err)
	}
}

func TestRunCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := (&Sandbox{Root: "/"}).Run(ctx, Command{Args: []string{"/bin/sleep", "60"}})
	if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "namespaces") {
		t.Errorf("Run = %v, want the deadline", err)
	}
}
