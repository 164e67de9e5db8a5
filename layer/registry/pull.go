package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
)

// maxConfig bounds an image's configuration, which is kept in memory.
const maxConfig = 16 << 20

// origin is where a blob that was seen in a pulled manifest can be read.
type origin struct {
	repo    name.Repository
	sources []*endpoint
	size    int64
}

// Pull returns the image that ref names for platform p (ignored when ref names
// an image and not an index). Its manifest and configuration are read and
// verified now; its layers stay remote until they are read, then resume by
// range after a fault and end in a *DigestError when they are not what the
// manifest says. What cannot be an image is a *layer.TypeError. ctx must live as
// long as the image is read.
func (c *Client) Pull(ctx context.Context, ref name.Reference, p v1.Platform) (v1.Image, error) {
	img, err := c.pull(ctx, ref, p)
	if err != nil {
		return nil, fmt.Errorf("pulling %s: %w", ref, err)
	}
	return img, nil
}

func (c *Client) pull(ctx context.Context, ref name.Reference, p v1.Platform) (v1.Image, error) {
	m, err := c.image(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(m.body))
	if err != nil {
		return nil, fmt.Errorf("reading its manifest: %w", err)
	}
	if err := layer.CheckTypes(parsed); err != nil {
		return nil, err
	}
	from := origin{repo: ref.Context(), sources: c.sources(ref.Context())}
	core := &remoteImage{ctx: ctx, c: c, from: from, manifest: m, layers: map[v1.Hash]v1.Descriptor{}}
	core.config, err = c.readConfig(ctx, from, parsed.Config)
	if err != nil {
		return nil, fmt.Errorf("reading its configuration: %w", err)
	}
	for _, d := range append([]v1.Descriptor{parsed.Config}, parsed.Layers...) {
		if d.Size < 0 || d.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("its manifest has a layer of %d bytes with digest %s", d.Size, d.Digest)
		}
		core.layers[d.Digest] = d
		c.remember(d, from)
	}
	return partial.CompressedToImage(core)
}

func (c *Client) remember(d v1.Descriptor, from origin) {
	from.size = d.Size
	c.mu.Lock()
	defer c.mu.Unlock()
	c.origins[d.Digest] = from
}

func (c *Client) origin(h v1.Hash) (origin, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.origins[h]
	return o, ok
}

func (c *Client) readConfig(ctx context.Context, from origin, d v1.Descriptor) ([]byte, error) {
	if d.Size > maxConfig {
		return nil, fmt.Errorf("it has %d bytes, more than %d", d.Size, maxConfig)
	}
	from.size = d.Size
	r := c.blob(ctx, from, d.Digest, 0)
	defer r.Close()
	return io.ReadAll(r)
}

// remoteImage is the core that partial completes to a v1.Image.
type remoteImage struct {
	ctx      context.Context //nolint:containedctx // v1.Layer has no place for one: Pull's doc says how long it must live.
	c        *Client
	from     origin
	manifest *manifest
	config   []byte
	layers   map[v1.Hash]v1.Descriptor
}

func (i *remoteImage) RawManifest() ([]byte, error)        { return i.manifest.body, nil }
func (i *remoteImage) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *remoteImage) MediaType() (types.MediaType, error) { return i.manifest.media, nil }
func (i *remoteImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	d, ok := i.layers[h]
	if !ok {
		return nil, fmt.Errorf("%s has no layer %s", i.from.repo, h)
	}
	return &remoteLayer{i, d}, nil
}

// remoteLayer is read from its registry, or a mirror of it, on demand.
type remoteLayer struct {
	image *remoteImage
	desc  v1.Descriptor
}

func (l *remoteLayer) Digest() (v1.Hash, error)            { return l.desc.Digest, nil }
func (l *remoteLayer) Size() (int64, error)                { return l.desc.Size, nil }
func (l *remoteLayer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }
func (l *remoteLayer) Descriptor() (*v1.Descriptor, error) { d := l.desc; return &d, nil }
func (l *remoteLayer) Compressed() (io.ReadCloser, error) {
	from := l.image.from
	from.size = l.desc.Size
	return l.image.c.blob(l.image.ctx, from, l.desc.Digest, 0), nil
}

// DiffID is read from the configuration: the layer need not be read for it.
func (l *remoteLayer) DiffID() (v1.Hash, error) {
	img, err := partial.CompressedToImage(l.image)
	if err != nil {
		return v1.Hash{}, err
	}
	return partial.BlobToDiffID(img, l.desc.Digest)
}
