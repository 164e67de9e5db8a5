// Command demo shows sparkwheel's main job on one machine: it serves the real
// sources of vLLM and FlashInfer as git repositories on loopback, has
// sparkwheel build an image from them, pushes it to a registry on loopback,
// pulls it back and asks the Python in it. `make demo` runs it; see README.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func main() {
	sandbox.Init()
	d := demo{out: os.Stdout}
	flag.StringVar(&d.dir, "dir", "demo", "keep everything in `DIR`")
	flag.StringVar(&d.sparkwheel, "sparkwheel", "bin/sparkwheel", "the `PROGRAM` to show")
	flag.StringVar(&d.base, "base", os.Getenv("BASE"), "build on `BASE` (tar:FILE, oci:DIR or a registry reference) instead of a root made by mmdebstrap")
	flag.BoolVar(&d.serve, "serve", os.Getenv("SERVE") != "", "leave git server and registry running at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := d.run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		if interrupted {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

// absolute makes the paths good for child processes.
func (d *demo) absolute() (err error) {
	for _, p := range []*string{&d.dir, &d.sparkwheel} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	return nil
}
