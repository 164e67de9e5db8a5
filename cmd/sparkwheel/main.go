// Command sparkwheel builds vLLM and FlashInfer wheels for GB10 from fixed git
// refs and assembles them into OCI images, without a container daemon.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func main() {
	sandbox.Init()
	if launcher.Called(os.Args) {
		os.Exit(launcher.Run(os.Args, os.Environ(), os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second interrupt finds the default handler again and kills at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], environment{
		Getenv: os.Getenv,
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
