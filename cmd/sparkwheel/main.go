// Command sparkwheel builds vLLM and FlashInfer wheels for GB10 from fixed git
// refs and assembles them into OCI images, without a container daemon.
package main

import (
	"context"
	"os"

	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func main() {
	sandbox.Init()
	if launcher.Called(os.Args) {
		os.Exit(launcher.Run(os.Args, os.Environ(), os.Stderr))
	}
	ctx, stop := signalled(context.Background())
	code := run(ctx, os.Args[1:], environment{
		Getenv: os.Getenv,
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
