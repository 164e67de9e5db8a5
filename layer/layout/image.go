package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is the core from which partial makes a v1.Image.
type image struct {
	store       store
	desc        v1.Descriptor
	manifest    *v1.Manifest
	rawManifest []byte
	rawConfig   []byte
}

var _ partial.CompressedImageCore = (*image)(nil)

func (i *image) whole() (v1.Image, error)            { return partial.CompressedToImage(i) }
func (i *image) RawManifest() ([]byte, error)        { return i.rawManifest, nil }
func (i *image) RawConfigFile() ([]byte, error)      { return i.rawConfig, nil }
func (i *image) MediaType() (types.MediaType, error) { return i.desc.MediaType, nil }
func (i *image) Manifest() (*v1.Manifest, error)     { return i.manifest.DeepCopy(), nil }

func (i *image) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if h == i.manifest.Config.Digest {
		return partial.CompressedLayer(&blob{i, i.manifest.Config}), nil
	}
	for _, desc := range i.manifest.Layers {
		if desc.Digest == h {
			return &blob{i, desc}, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// blob is a layer of the layout.
type blob struct {
	image *image
	desc  v1.Descriptor
}

func (b *blob) Digest() (v1.Hash, error)            { return b.desc.Digest, nil }
func (b *blob) Size() (int64, error)                { return b.desc.Size, nil }
func (b *blob) MediaType() (types.MediaType, error) { return b.desc.MediaType, nil }
func (b *blob) Descriptor() (*v1.Descriptor, error) { return b.desc.DeepCopy(), nil }
func (b *blob) Compressed() (io.ReadCloser, error)  { return b.image.store.blob(b.desc) }

// DiffID is that of the config at the layer's place in the manifest.
func (b *blob) DiffID() (v1.Hash, error) {
	config, err := v1.ParseConfigFile(bytes.NewReader(b.image.rawConfig))
	if err != nil {
		return v1.Hash{}, err
	}
	i := slices.IndexFunc(b.image.manifest.Layers, func(d v1.Descriptor) bool { return d.Digest == b.desc.Digest })
	if i < 0 || i >= len(config.RootFS.DiffIDs) {
		return v1.Hash{}, fmt.Errorf("the image's config has no diffID for %s", b.desc.Digest)
	}
	return config.RootFS.DiffIDs[i], nil
}

// verifier hashes what passes and, at its end, fails when it is not what the
// descriptor says.
type verifier struct {
	rc   io.ReadCloser
	desc v1.Descriptor
	sum  hash.Hash
	read int64
}

func newVerifier(rc io.ReadCloser, desc v1.Descriptor) *verifier {
	return &verifier{rc: rc, desc: desc, sum: sha256.New()}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.rc.Read(p)
	v.sum.Write(p[:n])
	v.read += int64(n)
	if v.read > v.desc.Size {
		return n, fmt.Errorf("reading %s: it has more than %d bytes", v.desc.Digest, v.desc.Size)
	}
	if err == io.EOF {
		if v.read < v.desc.Size {
			return n, fmt.Errorf("reading %s: it has %d bytes, not %d", v.desc.Digest, v.read, v.desc.Size)
		}
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.desc.Digest.Hex {
			return n, fmt.Errorf("reading %s: its bytes are sha256:%s", v.desc.Digest, got)
		}
	}
	return n, err
}

func (v *verifier) Close() error { return v.rc.Close() }
