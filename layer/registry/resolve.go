package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
)

// maxManifest is what the distribution spec asks registries to take at least
// and what they take at most in practice.
const maxManifest = 4 << 20

var manifestTypes = []types.MediaType{
	types.OCIManifestSchema1, types.OCIImageIndex,
	types.DockerManifestSchema2, types.DockerManifestList,
}

// manifest is a manifest or an index as the registry stores it.
type manifest struct {
	body   []byte
	digest v1.Hash
	media  types.MediaType
	from   *endpoint
}

// Resolve returns the digest that ref names today for platform p: that of the
// image's own manifest, never of an index, so that a lock holds for one
// platform. It returns a *PlatformError when ref has no image for p.
func (c *Client) Resolve(ctx context.Context, ref name.Reference, p v1.Platform) (name.Digest, error) {
	m, err := c.image(ctx, ref, p)
	if err != nil {
		return name.Digest{}, fmt.Errorf("resolving %s: %w", ref, err)
	}
	return ref.Context().Digest(m.digest.String()), nil
}

// Named returns the digest of what ref names itself, be it an image or, then
// index is true, an index of images.
func (c *Client) Named(ctx context.Context, ref name.Reference) (d name.Digest, index bool, err error) {
	m, err := c.manifest(ctx, ref)
	if err != nil {
		return name.Digest{}, false, fmt.Errorf("resolving %s: %w", ref, err)
	}
	return ref.Context().Digest(m.digest.String()), m.media.IsIndex(), nil
}

// image follows ref through an index to the manifest of the image for p.
func (c *Client) image(ctx context.Context, ref name.Reference, p v1.Platform) (*manifest, error) {
	m, err := c.manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	// An index may hold an index; more than a few deep is an attack.
	for range 4 {
		if !m.media.IsIndex() {
			return m, nil
		}
		desc, err := choose(ref, m.body, p)
		if err != nil {
			return nil, err
		}
		if m, err = c.manifest(ctx, ref.Context().Digest(desc.Digest.String())); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: nested indexes", ref)
}

func choose(ref name.Reference, index []byte, p v1.Platform) (v1.Descriptor, error) {
	im, err := v1.ParseIndexManifest(bytes.NewReader(index))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading the index of %s: %w", ref, err)
	}
	perr := &PlatformError{Ref: ref.String(), Want: p}
	for _, d := range im.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" {
			continue
		}
		if satisfies(*d.Platform, p) {
			return d, nil
		}
		perr.Have = append(perr.Have, *d.Platform)
	}
	return v1.Descriptor{}, perr
}

// satisfies is v1.Platform.Satisfies with arm64 and arm64/v8 taken as one, as
// containerd normalises them.
func satisfies(have, want v1.Platform) bool {
	for _, p := range []*v1.Platform{&have, &want} {
		if p.Architecture == "arm64" && p.Variant == "v8" {
			p.Variant = ""
		}
	}
	return have.Satisfies(want)
}

// manifest fetches what ref names, from the mirrors first, checks its digest
// when ref has one, and parses no more than its media type.
func (c *Client) manifest(ctx context.Context, ref name.Reference) (*manifest, error) {
	var first error
	for _, e := range c.sources(ref.Context()) {
		m, err := e.manifest(ctx, ref.Identifier())
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		first = err
	}
	return nil, first
}

func (e *endpoint) manifest(ctx context.Context, id string) (*manifest, error) {
	var m *manifest
	err := e.c.whole(ctx, func() error {
		var err error
		m, err = e.fetchManifest(ctx, id)
		return err
	})
	return m, err
}

func (e *endpoint) fetchManifest(ctx context.Context, id string) (*manifest, error) {
	accept := make([]string, len(manifestTypes))
	for i, t := range manifestTypes {
		accept[i] = string(t)
	}
	resp, err := e.do(ctx, call{
		method: http.MethodGet, url: e.url("manifests/%s", id),
		header: http.Header{"Accept": {strings.Join(accept, ", ")}},
	}, http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of %s/%s: %w", e.host, e.repo, err)
	}
	m := &manifest{body: body, from: e, media: types.MediaType(resp.Header.Get("Content-Type"))}
	m.digest, _, err = v1.SHA256(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if want, err := v1.NewHash(id); err == nil && want != m.digest {
		return nil, &DigestError{fmt.Sprintf("the manifest that %s sent", e.host), want, m.digest}
	}
	// Some registries answer with text/plain: the manifest's own word counts.
	var doc struct {
		Version   int             `json:"schemaVersion"`
		MediaType types.MediaType `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("reading the manifest of %s/%s: %w", e.host, e.repo, err)
	}
	switch {
	case doc.Version == 1: // it names no type of its own
		m.media = types.DockerManifestSchema1
	case doc.MediaType != "":
		m.media = doc.MediaType
	case doc.Manifests != nil:
		m.media = types.OCIImageIndex
	case !m.media.IsImage():
		m.media = types.OCIManifestSchema1
	}
	return m, layer.CheckManifestType(v1.Descriptor{Digest: m.digest, MediaType: m.media})
}

// readAll reads at most limit bytes and refuses more.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, &brokenError{err}
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return b, nil
}

// sources are the endpoints to read a repository from: its mirrors, then itself.
func (c *Client) sources(repo name.Repository) []*endpoint {
	own := c.endpoint(repo, pull)
	m := c.mirror(repo.RegistryStr())
	if m == "" {
		return []*endpoint{own}
	}
	scheme := "https"
	if rest, ok := strings.CutPrefix(m, "http://"); ok {
		scheme, m = "http", rest
	}
	m = strings.Trim(strings.TrimPrefix(m, "https://"), "/")
	host, prefix, _ := strings.Cut(m, "/")
	if !c.opt.HTTPS && (isLoopback(host) || c.opt.PlainHTTP) {
		scheme = "http"
	}
	path := repo.RepositoryStr()
	if prefix != "" {
		path = prefix + "/" + path
	}
	return []*endpoint{c.endpointAt(endpointKey{scheme, host, path, pull}), own}
}

// mirror takes docker.io and its address index.docker.io for one.
func (c *Client) mirror(registry string) string {
	if m := c.opt.Mirrors[registry]; m != "" {
		return m
	}
	if registry == name.DefaultRegistry {
		return c.opt.Mirrors["docker.io"]
	}
	return ""
}
