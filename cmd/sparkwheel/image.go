package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/inspection"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/waste"
)

func (a *app) imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Inspect images",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.imageWasteCommand())
	return cmd
}

func (a *app) imageWasteCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "waste IMAGE",
		Short: "Show bytes of an image that are unreachable or not needed",
		Long: `Reads every layer of IMAGE (` + imagename.Forms + `)
and counts, uncompressed and each byte once:

  hidden           files that a layer above replaces or removes
  duplicates       files of 4 KiB or more with the same content as another
  static-archives  *.a
  headers          C, C++ and CUDA headers
  tests            directories named test or tests in Python packages
  caches           of apt and pip, and temporary files
  documentation    manuals, locales and the like

Some of it may be needed: compilers that run in the image read headers.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.imageWaste(cmd.Context(), &f, args[0])
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) imageWaste(ctx context.Context, f *imageFlags, image string) error {
	platform, err := f.chosen()
	if err != nil {
		return err
	}
	names, err := imageNames([]string{image})
	if err != nil {
		return err
	}
	f.reg.loginAt(names...)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	img, err := base.OpenImage(ctx, env, names[0], "", platform)
	if err != nil {
		return classify(ctx, fmt.Errorf("opening %s: %w", image, err))
	}
	report, err := waste.Of(ctx, img)
	if err != nil {
		return classify(ctx, fmt.Errorf("reading %s: %w", image, err))
	}
	if a.json {
		return a.result(report, "")
	}
	return writeWaste(a.Stdout, image, report)
}

// writeWaste lays a report out: by layer, and by kind with what can be done.
func writeWaste(w io.Writer, image string, r *waste.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s of %s unpacked are waste\n", image, byteSize(r.Wasted), byteSize(r.Unpacked))
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "\n  LAYER\tUNPACKED")
	for _, k := range r.Kinds {
		fmt.Fprintf(tw, "\t%s", strings.ToUpper(string(k.Kind)))
	}
	fmt.Fprintln(tw)
	for i, l := range r.Layers {
		fmt.Fprintf(tw, "  %d %.19s\t%s", i, l.Digest, byteSize(l.Unpacked))
		for _, k := range r.Kinds {
			size := "-"
			if n := l.Waste[k.Kind]; n > 0 {
				size = byteSize(n)
			}
			fmt.Fprintf(tw, "\t%s", size)
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, k := range r.Kinds {
		fmt.Fprintf(&b, "\n  %s: %s in %s; %s\n", k.Kind, byteSize(k.Bytes), host.Count(k.Files, "file"), k.Remedy)
		for _, x := range k.Largest[:min(len(k.Largest), 3)] {
			fmt.Fprintf(&b, "    %s  %s (layer %d)", byteSize(x.Size), inspection.Path(x.Path), x.Layer)
			if x.Of != "" {
				fmt.Fprintf(&b, ", the same as %s", inspection.Path(x.Of))
			}
			b.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
