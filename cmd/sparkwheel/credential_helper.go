package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// credentialHelpers runs docker's credential helpers, with bounds.
type credentialHelpers struct {
	limit  time.Duration // of one; it may have to ask the user for a password
	quiet  time.Duration // after which the user hears of one
	stderr io.Writer
}

func (a *app) credentialHelpers() credentialHelpers {
	return credentialHelpers{limit: time.Minute, quiet: 2 * time.Second, stderr: a.Stderr}
}

// helperOutput bounds what a helper may say: a secret, in JSON.
const helperOutput = 1 << 20

// run is a registry.Helper.
func (h credentialHelpers) run(ctx context.Context, name, input string) ([]byte, error) {
	program := "docker-credential-" + name
	timed, cancel := context.WithTimeoutCause(ctx, h.limit, fmt.Errorf("it did not answer within %s", h.limit))
	defer cancel()
	slow := time.AfterFunc(h.quiet, func() {
		if !stage.Tell(ctx, "waiting for %s", program) {
			fmt.Fprintf(h.stderr, "waiting for %s\n", program)
		}
	})
	defer slow.Stop()
	out := &capped{left: helperOutput}
	err := hosts.Program{
		Args: []string{program, "get"}, Env: os.Environ(), Stdin: strings.NewReader(input), Stdout: out, Grace: 500 * time.Millisecond,
	}.Run(timed)
	if errors.Is(err, errCapped) || out.left < 0 {
		err = fmt.Errorf("it printed more than %d bytes", helperOutput)
	}
	return out.kept, err
}

var errCapped = errors.New("too much output")

// capped keeps what is written up to a limit, and fails beyond. It has no
// ReadFrom, which would go past Write.
type capped struct {
	kept []byte
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errCapped
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}
