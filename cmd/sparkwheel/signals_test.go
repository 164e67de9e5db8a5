package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A signal ends a run with its own code, says at once what it stops, and leaves
// nothing half-made.
func TestSignalsEndARun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGHUP, 129}} {
		t.Run(test.signal.String(), func(t *testing.T) {
			t.Parallel()
			recipe, url, asked := silent(t)
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], "lock", "-r", recipe, "--store", filepath.Join(dir, "store"), "--progress", "plain")
			cmd.Env = append(os.Environ(), "SPARKWHEEL_TEST_MAIN=1", "UV_DEFAULT_INDEX="+url, "HOME="+dir)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-asked
			if err := cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			var heard time.Duration
			sent := time.Now()
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				if said.WriteString(lines.Text() + "\n"); strings.Contains(lines.Text(), "stopping ") && heard == 0 {
					heard = time.Since(sent)
				}
			}
			err = cmd.Wait()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != test.code {
				t.Errorf("ended with %v, want exit status %d\n%s", err, test.code, &said)
			}
			// At once, and at the end with what ran.
			if !strings.Contains(said.String(), "(interrupt again to end at once)") || !strings.Contains(said.String(), "sparkwheel: interrupted while running ") {
				t.Errorf("does not say what it stops:\n%s", &said)
			}
			t.Logf("spoke after %v", heard)
			if left, err := os.ReadDir(filepath.Join(dir, "store", "tmp")); err != nil || len(left) > 0 {
				t.Errorf("left in the store: %v, %v", left, err)
			}
		})
	}
}

func TestStoppingText(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"stopping (interrupt again to end at once)":                 nil,
		"stopping wheel vllm (interrupt again to end at once)":      {"wheel vllm"},
		"stopping a, b, c, 2 more (interrupt again to end at once)": {"a", "b", "c", "d", "e"},
	} {
		if got := stoppingText(names); got != want {
			t.Errorf("%q says %q, want %q", names, got, want)
		}
	}
}
