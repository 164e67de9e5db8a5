package deb

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// Entries are the attributes of those paths of an image that want names, as
// its topmost layer that has one gives them. It reads every layer to its end.
func Entries(ctx context.Context, img v1.Image, want func(path string) bool) (map[string]layer.Dir, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the image's entries: %w", err)
	}
	found := map[string]layer.Dir{}
	for i, l := range layers {
		if err := layerEntries(ctx, l, want, found); err != nil {
			return nil, fmt.Errorf("reading the entries of layer %d: %w", i, err)
		}
	}
	return found, nil
}

func layerEntries(ctx context.Context, l v1.Layer, want func(string) bool, found map[string]layer.Dir) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	for tr := tar.NewReader(contextio.NewReader(ctx, r)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(strings.TrimLeft(h.Name, "/"))
		if !want(name) {
			continue
		}
		found[name] = layer.Dir{Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid}
	}
}
