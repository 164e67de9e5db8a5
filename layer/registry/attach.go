package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// artifact is an image manifest that refers to a subject (image-spec 1.1,
// Guidelines for Artifact Usage). ggcr's v1.Manifest has no artifactType.
type artifact struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	ArtifactType  string          `json:"artifactType"`
	Config        v1.Descriptor   `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
	Subject       *v1.Descriptor  `json:"subject"`
}

// emptyConfig is the configuration of an artifact that has none.
const (
	emptyConfig     = "{}"
	emptyConfigType = types.MediaType("application/vnd.oci.empty.v1+json")
)

// Attach stores body beside the image subject, as a referrer of type
// artifactType, and returns the referrer's digest. The same body attached
// twice is one referrer. Where the registry has no referrers API the index
// under the subject's fallback tag is kept up to date (distribution-spec,
// Referrers Tag Schema).
func (c *Client) Attach(ctx context.Context, subject name.Digest, artifactType string, body []byte) (name.Digest, error) {
	out, err := c.attach(ctx, subject, artifactType, body)
	if err != nil {
		return out, fmt.Errorf("attaching %s to %s: %w", artifactType, subject, err)
	}
	return out, nil
}

func (c *Client) attach(ctx context.Context, subject name.Digest, artifactType string, body []byte) (name.Digest, error) {
	p := c.push(subject.Context(), nil)
	m, err := p.to.manifest(ctx, subject.DigestStr())
	if err != nil {
		return name.Digest{}, err
	}
	conf, err := bytesSource([]byte(emptyConfig))
	if err != nil {
		return name.Digest{}, err
	}
	layer, err := bytesSource(body)
	if err != nil {
		return name.Digest{}, err
	}
	if _, err := p.upload(ctx, []source{conf, layer}); err != nil {
		return name.Digest{}, err
	}
	a := artifact{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType,
		Config:  v1.Descriptor{MediaType: emptyConfigType, Digest: conf.digest, Size: conf.size},
		Layers:  []v1.Descriptor{{MediaType: types.MediaType(artifactType), Digest: layer.digest, Size: layer.size}},
		Subject: &v1.Descriptor{MediaType: m.media, Digest: m.digest, Size: int64(len(m.body))},
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return name.Digest{}, err
	}
	digest, header, err := p.manifest(ctx, raw, a.MediaType, "")
	if err != nil {
		return name.Digest{}, err
	}
	if header.Get("OCI-Subject") == "" {
		desc := v1.Descriptor{MediaType: a.MediaType, ArtifactType: artifactType, Digest: digest, Size: int64(len(raw))}
		err = p.fallbackTag(ctx, m.digest, desc)
	}
	return subject.Context().Digest(digest.String()), err
}

func fallbackTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// fallbackTag adds desc to the index of referrers that clients keep by hand.
func (p *push) fallbackTag(ctx context.Context, subject v1.Hash, desc v1.Descriptor) error {
	tag := fallbackTag(subject)
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	m, err := p.to.manifest(ctx, tag)
	if err == nil {
		err = json.Unmarshal(m.body, &index)
	} else if hasStatus(err, http.StatusNotFound) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("reading the index of referrers: %w", err)
	}
	for _, d := range index.Manifests {
		if d.Digest == desc.Digest {
			return nil
		}
	}
	index.Manifests = append(index.Manifests, desc)
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	_, _, err = p.manifest(ctx, raw, types.OCIImageIndex, tag)
	return err
}

// Referrers lists what is attached to subject, of artifactType unless that is
// empty: by the referrers API, or by the fallback tag where there is none.
func (c *Client) Referrers(ctx context.Context, subject name.Digest, artifactType string) ([]v1.Descriptor, error) {
	e := c.endpoint(subject.Context(), pull)
	index, err := e.referrers(ctx, subject.DigestStr())
	if hasStatus(err, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest) {
		var m *manifest
		h, herr := v1.NewHash(subject.DigestStr())
		if herr != nil {
			return nil, fmt.Errorf("listing what is attached to %s: %w", subject, herr)
		}
		if m, err = e.manifest(ctx, fallbackTag(h)); err == nil {
			index = m.body
		} else if hasStatus(err, http.StatusNotFound) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listing what is attached to %s: %w", subject, err)
	}
	im, err := v1.ParseIndexManifest(bytes.NewReader(index))
	if err != nil {
		return nil, fmt.Errorf("listing what is attached to %s: %w", subject, err)
	}
	var out []v1.Descriptor
	for _, d := range im.Manifests {
		if artifactType == "" || d.ArtifactType == artifactType {
			out = append(out, d)
		}
	}
	return out, nil
}

// Attached reads the body of a referrer that Referrers listed.
func (c *Client) Attached(ctx context.Context, referrer name.Digest) ([]byte, error) {
	e := c.endpoint(referrer.Context(), pull)
	m, err := e.manifest(ctx, referrer.DigestStr())
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", referrer, err)
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(m.body))
	if err == nil && (len(parsed.Layers) != 1 || parsed.Layers[0].Size > maxConfig) {
		err = errors.New("it is not a single document of reasonable size")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", referrer, err)
	}
	d := parsed.Layers[0]
	r := c.blob(ctx, origin{repo: referrer.Context(), sources: []*endpoint{e}, size: d.Size}, d.Digest, 0)
	defer r.Close()
	return io.ReadAll(r)
}

// maxIndex bounds one answer of the referrers API and all of them together.
const maxIndex = 4 << 20

// referrers joins the pages of the API's answer into one index.
func (e *endpoint) referrers(ctx context.Context, digest string) ([]byte, error) {
	all := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	next := e.url("referrers/%s", digest)
	for pages := 0; next != ""; pages++ {
		if pages == 100 {
			return nil, fmt.Errorf("%s lists too many referrers", e.host)
		}
		var page []byte
		var link string
		err := e.c.whole(ctx, func() error {
			resp, err := e.do(ctx, call{method: http.MethodGet, url: next, header: http.Header{"Accept": {string(types.OCIImageIndex)}}}, http.StatusOK)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			page, err = readAll(resp.Body, maxIndex)
			link = resp.Header.Get("Link")
			return err
		})
		if err != nil {
			return nil, err
		}
		var im v1.IndexManifest
		if err := json.Unmarshal(page, &im); err != nil {
			return nil, fmt.Errorf("reading the referrers that %s lists: %w", e.host, err)
		}
		all.Manifests = append(all.Manifests, im.Manifests...)
		if next, err = e.nextPage(next, link); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
}

// nextPage reads a Link header with rel="next" (RFC 8288); it stays at the host.
func (e *endpoint) nextPage(current, link string) (string, error) {
	target, params, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
	if !ok || !strings.Contains(params, "next") {
		return "", nil
	}
	base, err := url.Parse(current)
	if err != nil {
		return "", err
	}
	u, err := base.Parse(target)
	if err != nil || u.Host != base.Host || u.Scheme != base.Scheme {
		return "", &LocationError{"", "the next page of referrers is on another server"}
	}
	return u.String(), nil
}
