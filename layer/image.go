package layer

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is what Append makes: manifest and config computed, layers the base's
// and the blobs.
type image struct {
	base        v1.Image
	blobs       []*Blob
	config      *v1.ConfigFile
	manifest    *v1.Manifest
	rawConfig   []byte
	rawManifest []byte
}

var _ v1.Image = (*image)(nil)

// seal makes m the manifest, over the config that is there.
func (i *image) seal(m *v1.Manifest) (err error) {
	m.SchemaVersion, m.MediaType = 2, types.OCIManifestSchema1
	m.Config = v1.Descriptor{MediaType: types.OCIConfigJSON}
	if m.Config.Digest, m.Config.Size, err = v1.SHA256(bytes.NewReader(i.rawConfig)); err != nil {
		return err
	}
	i.manifest = m
	i.rawManifest, err = json.Marshal(m)
	return err
}

func (i *image) Layers() ([]v1.Layer, error) {
	base, err := i.base.Layers()
	if err != nil {
		return nil, err
	}
	layers := make([]v1.Layer, 0, len(base)+len(i.blobs))
	for _, l := range base {
		l, err := asOCI(l)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	for _, b := range i.blobs {
		layers = append(layers, b)
	}
	return layers, nil
}

func (i *image) MediaType() (types.MediaType, error) { return i.manifest.MediaType, nil }
func (i *image) Size() (int64, error)                { return int64(len(i.rawManifest)), nil }
func (i *image) ConfigName() (v1.Hash, error)        { return i.manifest.Config.Digest, nil }
func (i *image) ConfigFile() (*v1.ConfigFile, error) { return i.config.DeepCopy(), nil }
func (i *image) RawConfigFile() ([]byte, error)      { return bytes.Clone(i.rawConfig), nil }
func (i *image) Manifest() (*v1.Manifest, error)     { return i.manifest.DeepCopy(), nil }
func (i *image) RawManifest() ([]byte, error)        { return bytes.Clone(i.rawManifest), nil }

func (i *image) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(i.rawManifest))
	return h, err
}

func (i *image) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	return i.layer(h, v1.Layer.Digest)
}

func (i *image) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	return i.layer(h, v1.Layer.DiffID)
}

func (i *image) layer(h v1.Hash, by func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	layers, err := i.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		got, err := by(l)
		if err != nil {
			return nil, err
		}
		if got == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// asOCI gives a docker layer the media type that the new manifest says.
func asOCI(l v1.Layer) (v1.Layer, error) {
	mt, err := l.MediaType()
	if err != nil {
		return nil, err
	}
	oci := ociLayer(mt)
	if oci == mt {
		return l, nil
	}
	// A registry can mount a layer of another of its repositories, if the
	// type that tells where it is stays visible.
	if m, ok := l.(*remote.MountableLayer); ok {
		return &remote.MountableLayer{Layer: retyped{m.Layer, oci}, Reference: m.Reference}, nil
	}
	return retyped{l, oci}, nil
}

type retyped struct {
	v1.Layer
	mediaType types.MediaType
}

func (r retyped) MediaType() (types.MediaType, error) { return r.mediaType, nil }
