package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// writeHelper puts a credential helper on PATH.
func writeHelper(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-odd"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestCredentialHelperAnswers(t *testing.T) {
	writeHelper(t, `read host; printf '{"Username":"%s","Secret":"%s"}' "$1" "$host"`)
	var said bytes.Buffer
	a := &app{environment: environment{Stderr: &said}}
	got, err := a.credentialHelpers().run(t.Context(), "odd", "host.example\n")
	if err != nil || string(got) != `{"Username":"get","Secret":"host.example"}` || said.Len() > 0 {
		t.Errorf("got %q, %v, said %q", got, err, &said)
	}
}

// One that prints without end is stopped, early.
func TestCredentialHelperIsCapped(t *testing.T) {
	writeHelper(t, "exec cat /dev/zero")
	a := &app{environment: environment{Stderr: &bytes.Buffer{}}}
	got, err := a.credentialHelpers().run(t.Context(), "odd", "host.example")
	if err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") || len(got) > helperOutput {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// One that sleeps, with a child that holds its output, ends with the first
// interrupt, whether it heeds it or not.
func TestCredentialHelperIsInterrupted(t *testing.T) {
	for name, script := range map[string]string{
		"a child": "READY; sleep 1000", "itself": "READY; exec sleep 1000", "it does not heed": "trap '' TERM; READY; sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			writeHelper(t, strings.ReplaceAll(script, "READY", "echo >"+ready))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for ctx.Err() == nil {
					if _, err := os.Stat(ready); err == nil {
						cancel()
					}
					time.Sleep(time.Millisecond)
				}
			}()
			began := time.Now()
			a := &app{environment: environment{Stderr: &bytes.Buffer{}}}
			if _, err := a.credentialHelpers().run(ctx, "odd", "host.example"); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the interrupt", err)
			}
			if took := time.Since(began); took > 30*time.Second { // far from the 1000 seconds, and from the minute
				t.Errorf("it took %s", took)
			}
		})
	}
}

// One that takes its time is named while it does, and ends in the end.
func TestCredentialHelperIsTold(t *testing.T) {
	writeHelper(t, "exec sleep 1000")
	var said lockedBuffer
	h := credentialHelpers{limit: 100 * time.Millisecond, quiet: time.Nanosecond, stderr: &said}
	_, err := h.run(t.Context(), "odd", "host.example")
	if err == nil || err.Error() != "it did not answer within 100ms" {
		t.Errorf("got %v", err)
	}
	if got := said.String(); got != "waiting for docker-credential-odd\n" {
		t.Errorf("said %q", got)
	}
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCredentialHelperIsMissing(t *testing.T) {
	t.Parallel()
	a := &app{environment: environment{Stderr: &bytes.Buffer{}}}
	_, err := a.credentialHelpers().run(t.Context(), "nowhere-at-all", "host.example")
	if missing, ok := errors.AsType[*hosts.MissingError](err); !ok || missing.Name != "docker-credential-nowhere-at-all" {
		t.Errorf("got %v, want a *hosts.MissingError", err)
	}
}
