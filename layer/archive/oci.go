package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// ReadOCI returns the image that an oci-archive, a tar of an OCI layout, holds
// under tag, as layout.Read does. Layers are read from the archive when asked for.
func ReadOCI(ctx context.Context, file, tag string, p v1.Platform) (v1.Image, error) {
	t, err := openTar(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("reading oci-archive %s: %w", file, err)
	}
	img, err := layout.ReadFS(t, file, tag, p)
	if err != nil {
		return nil, fmt.Errorf("reading oci-archive: %w", err)
	}
	return img, nil
}

// WriteOCI writes img under tag (may be empty) as an oci-archive, which skopeo,
// podman, containerd and docker load (25 and later) take. The same image gives
// the same bytes; file is replaced in one step.
func WriteOCI(ctx context.Context, file, tag string, img v1.Image) error {
	to, err := layer.OutputFile(file)
	if err != nil {
		return fmt.Errorf("writing oci-archive: %w", err)
	}
	err = atomicfile.Write(to, func(w io.Writer) error {
		return writeOCI(ctx, newTarWriter(w), tag, img)
	})
	if err != nil {
		return fmt.Errorf("writing oci-archive %s: %w", file, err)
	}
	return nil
}

func writeOCI(ctx context.Context, w *tarWriter, tag string, img v1.Image) error {
	desc, err := layout.Descriptor(img, tag)
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{desc},
	})
	if err != nil {
		return err
	}
	if err := w.bytes("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	if err := w.bytes("index.json", index); err != nil {
		return err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	for _, document := range [][]byte{manifest, config} {
		h, _, err := v1.SHA256(bytes.NewReader(document))
		if err != nil {
			return err
		}
		if err := w.bytes("blobs/sha256/"+h.Hex, document); err != nil {
			return err
		}
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if err := w.layer(ctx, l, func(h v1.Hash) string { return "blobs/sha256/" + h.Hex }); err != nil {
			return err
		}
	}
	return w.Close()
}
