package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
)

// imageFlags say which image of a reference is meant and how it is reached.
type imageFlags struct {
	platform string
	reg      registryFlags
}

func (f *imageFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.platform, "platform", "", "`OS/ARCH` to choose from a multi-platform image (default the host's)")
	f.reg.register(cmd)
}

// chosen is the platform that the flags ask for.
func (f *imageFlags) chosen() (v1.Platform, error) {
	if f.platform == "" {
		return hostPlatform(), nil
	}
	parsed, err := v1.ParsePlatform(f.platform)
	if err != nil {
		return v1.Platform{}, usageErrorf("--platform %q: %w", f.platform, err)
	}
	return *parsed, nil
}

func (a *app) layerLsCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "ls IMAGE",
		Short: "List the layers of an image and the wheels in them",
		Long: "List the layers of an image, lowest first: digest, size, files and wheels.\n" +
			"IMAGE is oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or a reference in a registry.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runLayerLs(cmd.Context(), &f, args[0])
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) runLayerLs(ctx context.Context, f *imageFlags, image string) error {
	docs, err := a.describeImages(ctx, f, image)
	if err != nil {
		return classify(ctx, err)
	}
	if a.json {
		return a.result(docs[0], "")
	}
	fmt.Fprintln(a.Stdout, docs[0].Digest)
	return printLayers(a.Stdout, docs[0].Layers, "")
}

// describeImages opens images and reads what their manifests say: no layer is
// fetched.
func (a *app) describeImages(ctx context.Context, f *imageFlags, images ...string) ([]imageDocument, error) {
	platform, err := f.chosen()
	if err != nil {
		return nil, err
	}
	names, err := imageNames(images)
	if err != nil {
		return nil, err
	}
	f.reg.loginAt(names...)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return nil, err
	}
	defer env.Store.Close()
	var docs []imageDocument
	for _, image := range names {
		img, err := base.OpenImage(ctx, env, image, "", platform)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", image, err)
		}
		doc, err := describeImage(image.String(), img, nil)
		if err != nil {
			return nil, err
		}
		// Here nothing was made just now: new is what does not come from the base.
		for i, l := range doc.Layers {
			doc.Layers[i].New = len(l.Wheels)+len(l.Packages)+len(l.Replaces) > 0
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// printLayers writes a line for each layer; mark stands before it.
func printLayers(w io.Writer, layers []layerDocument, mark string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range layers {
		wheels := strings.Join(l.Wheels, " ")
		if len(l.Packages) > 0 {
			wheels = host.Count(len(l.Packages), "package")
		}
		if len(l.Replaces) > 0 {
			wheels = "replaces " + strings.Join(l.Replaces, ", ")
		}
		if wheels == "" {
			wheels = "-"
		}
		files := "-"
		if l.Files > 0 {
			files = fmt.Sprint(l.Files)
		}
		fmt.Fprintf(tw, "%s%s\t%s\t%s files\t%s\n", mark, l.Digest, byteSize(l.Size), files, wheels)
	}
	return tw.Flush()
}

// byteSize is n as a reader takes it in, in powers of ten.
func byteSize(n int64) string {
	const units = "kMGT"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1000, 0
	for size >= 999.95 && unit < len(units)-1 {
		size, unit = size/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", size, units[unit])
}
