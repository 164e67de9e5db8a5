package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
)

func (a *app) layerDiffCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show the layers of B that A does not have, and the bytes that a host with A must download for B",
		Long: "Compare two images layer by layer. A and B are oci:DIR[:TAG], oci-archive:FILE,\n" +
			"docker-archive:FILE or references in a registry.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runLayerDiff(cmd.Context(), &f, args[0], args[1])
		},
	}
	f.register(cmd)
	return cmd
}

func (a *app) runLayerDiff(ctx context.Context, f *imageFlags, from, to string) error {
	docs, err := a.describeImages(ctx, f, from, to)
	if err != nil {
		return classify(ctx, err)
	}
	diff := diffLayers(docs[0].Layers, docs[1].Layers)
	if a.json {
		return a.result(diff, "")
	}
	if err := printLayers(a.Stdout, diff.Removed, "- "); err != nil {
		return err
	}
	if err := printLayers(a.Stdout, diff.Added, "+ "); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Stdout, "%s kept, %s to send\n", host.Count(len(diff.Kept), "layer"), byteSize(diff.BytesToShip))
	return err
}

// diffDocument is the --json document of layer diff.
type diffDocument struct {
	Added       []layerDocument `json:"added"`
	Removed     []layerDocument `json:"removed"`
	Kept        []layerDocument `json:"kept"`
	BytesToShip int64           `json:"bytes_to_ship"`
}

// diffLayers tells layers apart by their digests, as registries and hosts do; a
// layer that an image has twice is shipped once.
func diffLayers(from, to []layerDocument) diffDocument {
	d := diffDocument{Added: []layerDocument{}, Removed: []layerDocument{}, Kept: []layerDocument{}}
	before, after := digests(from), digests(to)
	for _, l := range from {
		if !after[l.Digest] {
			d.Removed = append(d.Removed, l)
		}
	}
	shipped := make(map[string]bool)
	for _, l := range to {
		if before[l.Digest] {
			d.Kept = append(d.Kept, l)
			continue
		}
		d.Added = append(d.Added, l)
		if !shipped[l.Digest] {
			shipped[l.Digest] = true
			d.BytesToShip += l.Size
		}
	}
	return d
}

func digests(layers []layerDocument) map[string]bool {
	set := make(map[string]bool)
	for _, l := range layers {
		set[l.Digest] = true
	}
	return set
}
