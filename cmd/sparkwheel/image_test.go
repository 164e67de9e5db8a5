package main

import (
	"context"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/rogpeppe/go-internal/testscript"

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
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
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
	img, err := layer.Append(base, layer.Config{}, blobs...)
	ts.Check(err)
	ts.Check(write(context.Background(), img))
}
