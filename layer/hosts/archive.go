package hosts

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// archive writes the image in the form of `docker save`. Layers in have are
// named and not written: docker looks for a layer in its store before it looks
// into the archive. Nothing is buffered.
func (w *wanted) archive(ctx context.Context, out io.Writer, have []bool) error {
	tw := tar.NewWriter(out)
	conf := w.id.Hex + ".json"
	if err := entry(tw, conf, int64(len(w.config)), strings.NewReader(string(w.config))); err != nil {
		return err
	}
	var names []string
	written := map[string]bool{}
	for i, l := range w.layers {
		file := w.diffIDs[i].Hex + ".tar"
		names = append(names, file)
		if have[i] || written[file] {
			continue
		}
		written[file] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := layerEntry(ctx, tw, file, l); err != nil {
			return err
		}
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": conf, "RepoTags": []string{w.name()}, "Layers": names}})
	if err != nil {
		return err
	}
	if err := entry(tw, "manifest.json", int64(len(manifest)), strings.NewReader(string(manifest))); err != nil {
		return err
	}
	return tw.Close()
}

// layerEntry writes the layer as it is stored: docker, podman and containerd
// unpack gzip in an archive themselves.
func layerEntry(ctx context.Context, tw *tar.Writer, file string, l v1.Layer) error {
	size, err := l.Size()
	if err != nil {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	return entry(tw, file, size, contextio.NewReader(ctx, rc))
}

func entry(tw *tar.Writer, file string, size int64, r io.Reader) error {
	if err := tw.WriteHeader(&tar.Header{Name: file, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	n, err := io.Copy(tw, r)
	if err == nil && n != size {
		err = fmt.Errorf("%s has %d bytes, not %d", file, n, size)
	}
	return err
}
