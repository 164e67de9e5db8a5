package layer

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Scratch is an OCI image for the platform without a layer and without any
// configuration: what to append to where there is no base. The same platform
// gives the same digest; arm64 without a variant is v8, as everywhere.
func Scratch(p v1.Platform) (v1.Image, error) {
	if p.Architecture == "arm64" && p.Variant == "" {
		p.Variant = "v8"
	}
	img := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
	if err != nil {
		return nil, fmt.Errorf("making an image without layers: %w", err)
	}
	return img, nil
}
