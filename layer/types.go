package layer

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dockerLayerZstd is what containerd and buildkit call a docker layer in zstd.
const dockerLayerZstd types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// TypeError says that something is of a media type of which no image can be
// made.
type TypeError struct {
	What      string // manifest, configuration or layer
	Digest    v1.Hash
	MediaType types.MediaType
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("%s %s has the media type %q: %s", e.What, e.Digest, e.MediaType, e.reason())
}

func (e *TypeError) reason() string {
	switch t := string(e.MediaType); {
	case e.What == "configuration":
		return "this is an artifact, not an image"
	case e.What == "manifest" && (e.MediaType == types.DockerManifestSchema1 || e.MediaType == types.DockerManifestSchema1Signed):
		return "Docker's schema 1 is not supported; convert the image, for example with `skopeo copy --format oci`"
	case e.What == "manifest":
		return "it is neither an image nor an index of images"
	case strings.HasSuffix(t, "+encrypted"):
		return "an encrypted layer cannot be read; decrypt the image first"
	case strings.Contains(t, ".nondistributable.") || strings.Contains(t, ".foreign."):
		return "the image does not have this layer, and registries do not store it"
	}
	return "a layer is a tar, plain or compressed with gzip or zstd"
}

// CheckManifestType is a *TypeError where d names neither an image nor an index
// of images.
func CheckManifestType(d v1.Descriptor) error {
	if d.MediaType.IsImage() || d.MediaType.IsIndex() {
		return nil
	}
	return &TypeError{"manifest", d.Digest, d.MediaType}
}

// CheckTypes is a *TypeError where the manifest is not one of an image that can
// be unpacked and built on: its configuration is that of an artifact, or a
// layer is foreign, encrypted or not known.
func CheckTypes(m *v1.Manifest) error {
	switch m.Config.MediaType {
	case types.OCIConfigJSON, types.DockerConfigJSON:
	// Early docker clients pushed these (docker/distribution#1621); docker takes
	// them still.
	case "", "application/octet-stream":
	default:
		return &TypeError{"configuration", m.Config.Digest, m.Config.MediaType}
	}
	for _, l := range m.Layers {
		switch l.MediaType {
		case types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer,
			types.DockerLayer, types.DockerUncompressedLayer, dockerLayerZstd:
		default:
			return &TypeError{"layer", l.Digest, l.MediaType}
		}
	}
	return nil
}
