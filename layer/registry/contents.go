package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Server is a read-only registry of images that lie elsewhere: it copies
// nothing and keeps only manifests in memory. It is an http.Handler, safe for
// concurrent use; add what it serves before or while it runs.
type Server struct {
	mu    sync.RWMutex
	repos map[string]*contents
}

// NewServer returns a Server of nothing.
func NewServer() *Server { return &Server{repos: map[string]*contents{}} }

// contents is one repository. It is never changed once it can be found.
type contents struct {
	manifests map[string]stored
	blobs     map[string]stored
	tags      map[string]v1.Hash
	referrers map[string][]v1.Descriptor
}

// stored is a manifest, with its bytes, or a blob, with a way to them.
type stored struct {
	media types.MediaType
	body  []byte
	size  int64
	open  func() (io.ReadCloser, error)
}

func (s *Server) find(repo string) *contents {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.repos[repo]
}

// change puts a copy of the repository in place of it.
func (s *Server) change(repo string, add func(*contents) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &contents{map[string]stored{}, map[string]stored{}, map[string]v1.Hash{}, map[string][]v1.Descriptor{}}
	if old := s.repos[repo]; old != nil {
		copyInto(c.manifests, old.manifests)
		copyInto(c.blobs, old.blobs)
		copyInto(c.tags, old.tags)
		copyInto(c.referrers, old.referrers)
	}
	if err := add(c); err != nil {
		return err
	}
	s.repos[repo] = c
	return nil
}

func copyInto[V any](dst, src map[string]V) {
	maps.Copy(dst, src)
}

// AddImage serves img as repo:tag. Its layers are opened when they are asked
// for: a layer whose Compressed can seek is served by range cheaply, another
// is read from its start.
func (s *Server) AddImage(repo, tag string, img v1.Image) error {
	err := s.change(repo, func(c *contents) error {
		h, err := c.addImage(img)
		c.tags[tag] = h
		return err
	})
	if err != nil {
		return fmt.Errorf("serving %s:%s: %w", repo, tag, err)
	}
	return nil
}

func (c *contents) addImage(img v1.Image) (v1.Hash, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	media, err := img.MediaType()
	if err != nil {
		return v1.Hash{}, err
	}
	conf, err := img.RawConfigFile()
	if err != nil {
		return v1.Hash{}, err
	}
	confDigest, size, err := v1.SHA256(bytes.NewReader(conf))
	if err != nil {
		return v1.Hash{}, err
	}
	c.blobs[confDigest.String()] = stored{size: size, open: func() (io.ReadCloser, error) {
		return seekable{bytes.NewReader(conf)}, nil
	}}
	layers, err := img.Layers()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return v1.Hash{}, err
		}
		size, err := l.Size()
		if err != nil {
			return v1.Hash{}, err
		}
		c.blobs[digest.String()] = stored{size: size, open: l.Compressed}
	}
	return c.addManifest(raw, media)
}

// seekable gives a bytes.Reader the Close that it does not need.
type seekable struct{ *bytes.Reader }

func (seekable) Close() error { return nil }

func (c *contents) addManifest(raw []byte, media types.MediaType) (v1.Hash, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return digest, err
	}
	c.manifests[digest.String()] = stored{media: media, body: raw, size: size}
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return digest, fmt.Errorf("reading manifest %s: %w", digest, err)
	}
	if a.Subject != nil {
		if a.ArtifactType == "" {
			a.ArtifactType = string(a.Config.MediaType)
		}
		subject := a.Subject.Digest.String()
		c.referrers[subject] = append(c.referrers[subject], v1.Descriptor{
			MediaType: media, ArtifactType: a.ArtifactType, Digest: digest, Size: size,
		})
	}
	return digest, nil
}

// refName is the annotation that holds a tag in a layout's index.json.
const refName = "org.opencontainers.image.ref.name"

// AddLayout serves every image of the OCI layout at dir as repo, each under
// the tags that the layout gives it and all under their digests, and returns
// the tags. The files must stay as they are while the server runs.
func (s *Server) AddLayout(repo, dir string) (map[string]v1.Hash, error) {
	tags := map[string]v1.Hash{}
	err := s.change(repo, func(c *contents) error {
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			return err
		}
		im, err := index.IndexManifest()
		if err != nil {
			return err
		}
		for _, d := range im.Manifests {
			if err := c.addFromLayout(dir, d, 0); err != nil {
				return err
			}
			if tag := d.Annotations[refName]; tag != "" {
				c.tags[tag], tags[tag] = d.Digest, d.Digest
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("serving the layout at %s: %w", dir, err)
	}
	return tags, nil
}

// addFromLayout adds a manifest, what it names, and those of an index.
func (c *contents) addFromLayout(dir string, d v1.Descriptor, depth int) error {
	if depth > 4 {
		return fmt.Errorf("%s: nested indexes", d.Digest)
	}
	if d.Size > maxManifest {
		return fmt.Errorf("manifest %s has %d bytes, more than %d", d.Digest, d.Size, maxManifest)
	}
	raw, err := layout.Path(dir).Bytes(d.Digest)
	if err != nil {
		return err
	}
	digest, err := c.addManifest(raw, d.MediaType)
	if err != nil {
		return err
	}
	if digest != d.Digest {
		return &DigestError{"the manifest in " + dir, d.Digest, digest}
	}
	if d.MediaType.IsIndex() {
		im, err := v1.ParseIndexManifest(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		for _, sub := range im.Manifests {
			if err := c.addFromLayout(dir, sub, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		// A layer that a layout leaves out (a vendor's) is not served.
		file := filepath.Join(dir, "blobs", b.Digest.Algorithm, b.Digest.Hex)
		if info, err := os.Stat(file); err == nil {
			c.blobs[b.Digest.String()] = stored{size: info.Size(), open: func() (io.ReadCloser, error) { return os.Open(file) }}
		}
	}
	return nil
}
