package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/inspection"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// inspectFlags say for which GPU binaries are judged, and what is demanded.
type inspectFlags struct {
	gpu, driver, require string
	image                imageFlags

	target cuda.Target  // of gpu and driver
	least  cuda.Verdict // of require
}

func (a *app) wheelInspectCommand() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Show what is in binaries and which GPUs their code runs on",
		Long: `Reads the binaries in each FILE: a wheel, a .deb, a library, an object, an
archive, a cubin, a directory of these, or an image (` + imagename.Forms + `).
It needs neither a GPU nor CUDA.

Each library with GPU code gets a verdict for the GPU:

  native       machine code for exactly this GPU
  family       machine code for another GPU of its family, which runs
  ptx          code that the driver compiles on first use
  ptx-too-new  PTX that is too new for the driver (with --driver)
  none         nothing that runs

The verdict of a library is that of its worst piece, and a wheel's that of its
worst library. --require refuses anything worse, with exit code 3.
cmd/sparkwheel/docs/gpu.md explains the rules. --json prints everything that was
read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.parse(a); err != nil {
				return err
			}
			return a.wheelInspect(cmd.Context(), &f, args)
		},
	}
	cmd.Flags().StringVar(&f.gpu, "gpu", "", "compute `CAPABILITY` to judge for, e.g. 12.1 (default the recipe's gpu-arch)")
	cmd.Flags().StringVar(&f.driver, "driver", "", "CUDA `VERSION` of the driver there, e.g. 13.0: newer PTX does not run")
	cmd.Flags().StringVar(&f.require, "require", "", "exit with code 3 if a verdict is worse than `native|family|ptx`")
	f.image.register(cmd)
	return cmd
}

func (f *inspectFlags) parse(a *app) (err error) {
	gpu := f.gpu
	if gpu == "" {
		r, err := a.loadRecipe()
		if err != nil {
			return err
		}
		if gpu = r.Target.GPUArch; gpu == "" {
			return usageErrorf("recipe %s does not name a GPU; give one, e.g. --gpu 12.1", r.Name)
		}
	}
	if f.target.GPU, err = cuda.ParseGPU(gpu); err != nil {
		return usageErrorf("--gpu: %w", err)
	}
	if f.driver != "" {
		if f.target.Driver, err = cuda.ParseVersion(f.driver); err != nil {
			return usageErrorf("--driver: %w", err)
		}
	}
	if f.require != "" {
		if f.least, err = cuda.ParseRequirement(f.require); err != nil {
			return usageErrorf("--require: %w", err)
		}
	}
	return nil
}

func (a *app) wheelInspect(ctx context.Context, f *inspectFlags, files []string) error {
	var docs []*inspection.Document
	for i, file := range files {
		d, err := a.inspectFile(ctx, f, file)
		if err != nil {
			return err
		}
		docs = append(docs, d)
		if a.json {
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		if err := d.Write(a.Stdout); err != nil {
			return err
		}
	}
	if a.json {
		var document any = docs
		if len(docs) == 1 {
			document = docs[0]
		}
		if err := a.result(document, ""); err != nil {
			return err
		}
	}
	return refuse(docs, f.least)
}

// refuse is exit 3 where a document falls short of the requirement, or has
// binaries that nobody can judge.
func refuse(docs []*inspection.Document, least cuda.Verdict) error {
	var short []string
	damaged := 0
	for _, d := range docs {
		damaged += len(d.Damaged)
		if d.Verdict != cuda.NoCode && d.Verdict < least {
			short = append(short, fmt.Sprintf("%s is %s", d.File, d.Verdict))
		}
	}
	switch {
	case len(short) > 0:
		return faultsErrorf("--require %s is not met: %s", least, strings.Join(short, ", "))
	case damaged > 0:
		return faultsErrorf("binaries that cannot be read: %d", damaged)
	}
	return nil
}

func (a *app) inspectFile(ctx context.Context, f *inspectFlags, file string) (*inspection.Document, error) {
	o := inspect.Options{Kernels: true}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist) && strings.HasSuffix(file, ".whl"), errors.Is(err, os.ErrNotExist) && strings.HasSuffix(file, ".deb"):
		return nil, err
	case err != nil:
		return a.inspectImage(ctx, f, file, o)
	case info.IsDir():
		found, err := inspect.FS(ctx, os.DirFS(file), o)
		return inspection.Of(file, found, f.target), err
	case strings.HasSuffix(file, ".whl"):
		return inspectWheel(ctx, f, file, o)
	case strings.HasSuffix(file, ".deb"):
		found, err := inspection.Deb(ctx, file, o)
		return inspection.Of(file, found, f.target), err
	}
	var found inspect.Found
	if err := found.Add(inspect.Read(file, o, func() (io.ReadCloser, error) { return regular.Open(file) })); err != nil {
		return nil, err
	}
	if len(found.Files)+len(found.Damaged) == 0 {
		return nil, usageErrorf("%s is neither a wheel, a .deb nor a binary", file)
	}
	return inspection.Of(file, found, f.target), nil
}

func inspectWheel(ctx context.Context, f *inspectFlags, file string, o inspect.Options) (*inspection.Document, error) {
	r, err := wheel.Open(file)
	if err != nil {
		if isError[*wheel.VerifyError](err) {
			return nil, faultsErrorf("%w", err)
		}
		return nil, err
	}
	defer r.Close()
	found, err := r.Inspect(ctx, o)
	if err != nil {
		if isError[*wheel.VerifyError](err) {
			return nil, faultsErrorf("%w", err)
		}
		return nil, err
	}
	d := inspection.Of(file, found, f.target)
	d.AddWheel(r)
	return d, nil
}

func (a *app) inspectImage(ctx context.Context, f *inspectFlags, reference string, o inspect.Options) (*inspection.Document, error) {
	name, err := imagename.Parse(reference)
	if err != nil {
		return nil, usageErrorf("%s is neither a file nor an image: %w", reference, err)
	}
	platform, err := f.image.chosen()
	if err != nil {
		return nil, err
	}
	f.image.reg.loginAt(name)
	env, err := a.openEnv(&f.image.reg)
	if err != nil {
		return nil, err
	}
	defer env.Store.Close()
	img, err := base.OpenImage(ctx, env, name, "", platform)
	if err != nil {
		return nil, classify(ctx, fmt.Errorf("opening %s: %w", reference, err))
	}
	found, err := inspection.Image(ctx, img, o)
	if err != nil {
		return nil, classify(ctx, fmt.Errorf("reading %s: %w", reference, err))
	}
	return inspection.Of(reference, found, f.target), nil
}
