package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// writeImage is the script command `image OUT [env:K=V...] [WHEEL=]DIR...`: an
// image of a layer for each directory, one that names a wheel as if made of it.
func writeImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: image OUT [WHEEL=]DIR...")
	}
	out := args[0]
	if scheme, file, ok := strings.Cut(out, ":"); ok {
		out = scheme + ":" + ts.MkAbs(file)
	}
	write, err := imageWriter(out)
	ts.Check(err)
	config := &v1.ConfigFile{OS: "linux", Architecture: "arm64", Variant: "v8", RootFS: v1.RootFS{Type: "layers"}}
	for strings.HasPrefix(args[1], "env:") {
		config.Config.Env = append(config.Config.Env, strings.TrimPrefix(args[1], "env:"))
		args = args[1:]
	}
	below, err := mutate.ConfigFile(empty.Image, config)
	ts.Check(err)
	var blobs []*layer.Blob
	for _, arg := range args[1:] {
		wheel, dir, ok := strings.Cut(arg, "=")
		if !ok {
			wheel, dir = "", arg
		}
		blob, err := layer.Write(context.Background(), ts.MkAbs("store/"+dir), os.DirFS(ts.MkAbs(dir)), layer.Options{Comment: wheel})
		ts.Check(err)
		blobs = append(blobs, blob)
	}
	img, err := layer.Append(below, layer.Config{}, blobs...)
	ts.Check(err)
	ts.Check(write(context.Background(), img))
}

// unpackImage is the script command `unpack IMAGE DIR`: it lays out the files
// of an image in a layout or an archive of one, and prints their names.
func unpackImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unpack IMAGE DIR")
	}
	n, err := imagename.Parse(args[0])
	ts.Check(err)
	n.Path = ts.MkAbs(n.Path)
	img, err := base.OpenImage(context.Background(), host.Env{}, n, "", v1.Platform{})
	ts.Check(err)
	dir := ts.MkAbs(args[1])
	ts.Check(os.Mkdir(dir, 0o755))
	root, err := os.OpenRoot(dir)
	ts.Check(err)
	defer root.Close()
	_, err = layer.Unpack(context.Background(), img, root)
	ts.Check(err)
	ts.Check(fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			_, err = fmt.Fprintln(ts.Stdout(), name)
		}
		return err
	}))
}

// listLayers is the script command `layers OCI`: what the layers of an image
// hold, each path behind the number of its layer, directories left out.
func listLayers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: layers oci:DIR")
	}
	img, err := layout.Read(ts.MkAbs(strings.TrimPrefix(args[0], "oci:")), "latest", v1.Platform{OS: "linux", Architecture: "arm64"})
	ts.Check(err)
	layers, err := img.Layers()
	ts.Check(err)
	for i, l := range layers {
		r, err := l.Uncompressed()
		ts.Check(err)
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			ts.Check(err)
			if h.Typeflag != tar.TypeDir {
				fmt.Fprintf(ts.Stdout(), "%d %s\n", i+1, h.Name)
			}
		}
		ts.Check(r.Close())
	}
}
