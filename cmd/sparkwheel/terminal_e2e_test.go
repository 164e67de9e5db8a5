package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// screen is a real terminal, of 80 columns and 12 lines, that runs a shell.
type screen struct {
	t      *testing.T
	socket string
}

func newScreen(t *testing.T, env ...string) screen {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("looks at a real terminal; set SPARKWHEEL_E2E=1")
	}
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("needs tmux: apt-get install tmux")
	}
	// A socket's path may have 107 bytes at most, and t.TempDir's is long.
	dir, err := os.MkdirTemp("", "screen")
	if err != nil {
		t.Fatal(err)
	}
	s := screen{t, filepath.Join(dir, "tmux")}
	s.tmux("new-session", "-d", "-x", "80", "-y", "12", "env -u CI PS1='$ ' "+strings.Join(env, " ")+" sh")
	t.Cleanup(func() {
		s.tmux("kill-server")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s screen) enter(line string) { s.tmux("send-keys", line, "Enter") }

// wait waits until the screen shows all parts and gives what it shows.
func (s screen) wait(parts ...string) string {
	s.t.Helper()
	var shown string
	for range 100 {
		shown = s.tmux("capture-pane", "-p")
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains(shown, part)
		}
		if !missing {
			return shown
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("after ten seconds the screen does not show %q:\n%s", parts, shown)
	return ""
}

// TestE2ETerminal looks at what a user sees: lines that move, a ^C, and a
// screen without a trace of the movement.
func TestE2ETerminal(t *testing.T) {
	recipe, url, _ := silent(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// TestMain is the program when it is called by the program's name.
	program := filepath.Join(t.TempDir(), "sparkwheel")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	s := newScreen(t, "UV_DEFAULT_INDEX="+url, "TERM=screen")
	s.enter("clear; " + program + " lock -r " + recipe + " -j 2 --store " + t.TempDir() + "; echo code $?")
	s.wait("uv pins ", ": 2 running, ")
	s.tmux("resize-window", "-x", "40", "-y", "10")
	s.wait("base ", " 1.")
	s.tmux("send-keys", "C-c")
	shown := s.wait("code 130")
	for _, trace := range []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", " running, "} {
		if strings.Contains(shown, trace) {
			t.Errorf("%q is left on the screen", trace)
		}
	}
	for _, line := range []string{"\nuv pins: stopped after ", "sparkwheel: interrupted while running "} {
		if !strings.Contains("\n"+shown, line) {
			t.Errorf("the screen lacks %q", line)
		}
	}
	if t.Failed() {
		t.Logf("the screen:\n%s", shown)
	}
}
