package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// How a blob came to be in the repository.
const (
	Sent    = "sent"    // its bytes were uploaded
	Present = "present" // it was there already
	Mounted = "mounted" // the registry took it from another repository of its own
)

// BlobProgress tells about one blob of a push: that it begins, how far it is,
// how it ended. Done may go back when a registry lost a part.
type BlobProgress struct {
	Digest      v1.Hash
	Done, Total int64
	// How is set on the last report of the blob.
	How string
	// Fault is why the blob has to wait before it goes on; nil in any other report.
	Fault error
}

// A Pushed is what a push did.
type Pushed struct {
	Digest name.Digest
	// BytesSent counts the bodies of all requests, repeated ones included.
	BytesSent int64
	// Blobs tells how each layer, in the image's order, then the configuration
	// came to be in the repository.
	Blobs []BlobProgress
}

// Push makes img and everything in it present in tag's repository, then moves
// the tag. Blobs that the repository has are not sent; those pulled through
// this Client from another repository of the same registry, or that CanMount
// named, are mounted, others
// stream from where they are to the registry. The manifest comes last, is read
// back and compared, and only then the tag moves: a push that fails leaves the
// tag as it was, with a *BlobError where a blob could not be sent. No layer's
// bytes are sent more than twice. It may be repeated; with Options.Sessions it goes on where a
// killed one stood, if the registry still knows. progress may be nil; it is
// called from several goroutines. The result is filled also beside an error.
func (c *Client) Push(ctx context.Context, tag name.Tag, img v1.Image, progress func(BlobProgress)) (Pushed, error) {
	p := c.push(tag.Context(), progress)
	out, err := p.image(ctx, tag, img)
	out.BytesSent = p.sent.Load()
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		// What a request says that ended with the context is not why the push did.
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if err != nil {
		return out, fmt.Errorf("pushing %s: %w", tag, err)
	}
	return out, nil
}

func (c *Client) push(repo name.Repository, progress func(BlobProgress)) *push {
	if progress == nil {
		progress = func(BlobProgress) {}
	}
	return &push{c: c, to: c.endpoint(repo, pullPush), repo: repo, progress: progress}
}

type push struct {
	c        *Client
	to       *endpoint
	repo     name.Repository
	progress func(BlobProgress)
	sent     counter
}

func (p *push) image(ctx context.Context, tag name.Tag, img v1.Image) (Pushed, error) {
	var out Pushed
	raw, err := img.RawManifest()
	if err != nil {
		return out, fmt.Errorf("making its manifest: %w", err)
	}
	media, err := img.MediaType()
	if err != nil {
		return out, fmt.Errorf("making its manifest: %w", err)
	}
	sources, err := p.blobs(img)
	if err != nil {
		return out, err
	}
	out.Blobs, err = p.upload(ctx, sources)
	if err != nil {
		return out, err
	}
	digest, _, err := p.manifest(ctx, raw, media, "")
	if err != nil {
		return out, err
	}
	if _, _, err := p.manifest(ctx, raw, media, tag.TagStr()); err != nil {
		return out, err
	}
	out.Digest = p.repo.Digest(digest.String())
	return out, nil
}

// blobs lists the layers, each digest once, and the configuration.
func (p *push) blobs(img v1.Image) ([]source, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading its layers: %w", err)
	}
	var out []source
	seen := map[v1.Hash]bool{}
	for _, l := range layers {
		media, err := l.MediaType()
		if err != nil {
			return nil, fmt.Errorf("reading a layer's media type: %w", err)
		}
		s, err := p.c.source(l)
		if err != nil {
			return nil, err
		}
		// Layers of Windows bases stay at their vendor's.
		if !seen[s.digest] && media.IsDistributable() {
			out = append(out, s)
		}
		seen[s.digest] = true
	}
	conf, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("making its configuration: %w", err)
	}
	s, err := bytesSource(conf)
	return append(out, s), err
}

// upload sends the blobs, the largest first: the last to end is then a small one.
func (p *push) upload(ctx context.Context, sources []source) ([]BlobProgress, error) {
	out := make([]BlobProgress, len(sources))
	order := make([]int, len(sources))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sources[b].size, sources[a].size) })
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.c.opt.Jobs)
	for _, i := range order {
		g.Go(func() error {
			var err error
			out[i], err = p.blob(gctx, sources[i])
			return err
		})
	}
	return out, g.Wait()
}

func (p *push) blob(ctx context.Context, s source) (BlobProgress, error) {
	u := newUpload(p, s)
	u.report(nil)
	how, err := u.run(ctx)
	b := BlobProgress{Digest: s.digest, Done: s.size, Total: s.size, How: how}
	if err != nil {
		return b, &BlobError{s.digest, s.size, err}
	}
	p.progress(b)
	return b, nil
}

// manifest puts the manifest under its digest, or under tag when that is
// given, reads it back and compares. It returns the header of the registry's
// answer too.
func (p *push) manifest(ctx context.Context, raw []byte, media types.MediaType, tag string) (v1.Hash, http.Header, error) {
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return digest, nil, err
	}
	id := tag
	if id == "" {
		id = digest.String()
	}
	resp, err := p.to.do(ctx, call{
		method: http.MethodPut, url: p.to.url("manifests/%s", id),
		header: http.Header{"Content-Type": {string(media)}}, content: raw, sent: &p.sent,
	}, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return digest, nil, fmt.Errorf("putting the manifest: %w", err)
	}
	resp.Body.Close()
	back, err := p.to.manifest(ctx, id)
	if err != nil {
		return digest, nil, fmt.Errorf("reading the manifest back: %w", err)
	}
	if back.digest != digest {
		return digest, nil, &DigestError{fmt.Sprintf("the manifest read back as %s of %s", id, p.repo), digest, back.digest}
	}
	return digest, resp.Header, nil
}

// source is a blob that can be read from any offset.
type source struct {
	digest v1.Hash
	size   int64
	// mount is a repository that has it, if one is known: on the same registry it
	// can be mounted.
	mount *name.Repository
	open  func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

func bytesSource(b []byte) (source, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(b))
	return source{digest: digest, size: size, open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b[offset:])), nil
	}}, err
}

// source knows layers pulled through c by their digest, however they were
// wrapped since, and reads those by range.
func (c *Client) source(l v1.Layer) (source, error) {
	digest, err := l.Digest()
	if err != nil {
		return source{}, fmt.Errorf("reading a layer's digest: %w", err)
	}
	size, err := l.Size()
	if err != nil {
		return source{}, fmt.Errorf("reading the size of layer %s: %w", digest, err)
	}
	s := source{digest: digest, size: size}
	if from, ok := c.origin(digest); ok && from.size == size {
		s.mount = &from.repo
		s.open = func(ctx context.Context, offset int64) (io.ReadCloser, error) {
			return c.blob(ctx, from, digest, offset), nil
		}
		return s, nil
	}
	s.mount = c.mountable(digest)
	s.open = func(_ context.Context, offset int64) (io.ReadCloser, error) {
		rc, err := l.Compressed()
		if err != nil {
			return nil, fmt.Errorf("opening layer %s: %w", digest, err)
		}
		return skip(rc, offset)
	}
	return s, nil
}

// CanMount tells that repo has the layers of img, which is read from elsewhere:
// a Push to another repository of the same registry has them mounted, and
// reads them from img where that is refused, also those that were pulled.
func (c *Client) CanMount(repo name.Repository, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return fmt.Errorf("reading the layers of an image of %s: %w", repo, err)
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return fmt.Errorf("reading the layers of an image of %s: %w", repo, err)
		}
		c.mu.Lock()
		c.mounts[digest] = repo
		delete(c.origins, digest)
		c.mu.Unlock()
	}
	return nil
}

func (c *Client) mountable(digest v1.Hash) *name.Repository {
	c.mu.Lock()
	defer c.mu.Unlock()
	if repo, ok := c.mounts[digest]; ok {
		return &repo
	}
	return nil
}

// skip moves r to offset, by seeking where that is possible.
func skip(r io.ReadCloser, offset int64) (io.ReadCloser, error) {
	var err error
	if s, ok := r.(io.Seeker); ok {
		_, err = s.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, offset)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("skipping to byte %d: %w", offset, err), r.Close())
	}
	return r, nil
}
