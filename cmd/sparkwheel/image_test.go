package main

import (
	"context"
	"fmt"
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
)

// writeImage is the script command `image OUT [WHEEL=]DIR...`: an image of a
// layer for each directory, one that names a wheel as if made of it.
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
	below, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: "arm64", Variant: "v8", RootFS: v1.RootFS{Type: "layers"},
	})
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
