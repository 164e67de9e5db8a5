package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// blobReader streams a blob of a registry. After a fault it goes on by range
// where it stood, at the same source or the next one. Read from the start it
// verifies size and digest at the end, before it returns io.EOF.
type blobReader struct {
	ctx     context.Context //nolint:containedctx // an io.Reader has no place for one.
	c       *Client
	sources []*endpoint
	digest  v1.Hash
	size    int64
	pos     int64
	sum     hash.Hash // nil when it did not begin at 0
	body    io.ReadCloser
	row     row
	open    bool // the answer under way began
	err     error
}

// blob opens nothing yet: the first Read does.
func (c *Client) blob(ctx context.Context, from origin, digest v1.Hash, offset int64) *blobReader {
	r := &blobReader{
		ctx: ctx, c: c, sources: from.sources, digest: digest, size: from.size, pos: offset,
		row: row{limit: c.opt.Attempts},
	}
	if offset == 0 {
		r.sum = sha256.New()
	}
	return r
}

func (r *blobReader) Read(p []byte) (int, error) {
	for {
		if r.err != nil {
			return 0, r.err
		}
		if r.pos == r.size && r.body == nil {
			r.err = r.verify()
			continue
		}
		n, err := r.read(p)
		if n > 0 {
			r.pos += int64(n)
			r.row.progressed()
			if r.sum != nil {
				r.sum.Write(p[:n])
			}
		}
		if err != nil {
			r.fail(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// read opens the next answer when there is none and takes one piece of it. It
// never gives more than the size promised.
func (r *blobReader) read(p []byte) (int, error) {
	if r.body == nil {
		body, err := r.sources[0].openBlob(r.ctx, r.digest, r.pos, r.size)
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	rest := r.size - r.pos
	if rest == 0 {
		return r.overrun()
	}
	r.open = true
	n, err := r.body.Read(p[:min(int64(len(p)), rest)])
	if err == io.EOF && int64(n) < rest {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// overrun looks whether the answer ends where it must.
func (r *blobReader) overrun() (int, error) {
	n, err := io.ReadFull(r.body, make([]byte, 1))
	if n > 0 {
		return 0, &SizeError{fmt.Sprintf("blob %s of %s", r.digest, r.sources[0].host), r.size, r.size + int64(n)}
	}
	if err == io.EOF {
		return 0, io.EOF
	}
	return 0, io.EOF // whatever ended it: all bytes are here and their digest decides
}

// fail goes on after an error: where the answer broke off, else at the next
// source. What got no answer was repeated by the transport already.
func (r *blobReader) fail(err error) {
	began := r.open
	r.open = false
	r.closeBody()
	if errors.Is(err, io.EOF) {
		return
	}
	if began || errors.As(err, new(*brokenError)) {
		again := r.row.again(r.ctx, err)
		if again == nil {
			return
		}
		err = again
	}
	// A mirror may lack what the origin has.
	if len(r.sources) > 1 && r.ctx.Err() == nil {
		r.sources = r.sources[1:]
		r.row.progressed()
		return
	}
	r.err = fmt.Errorf("reading blob %s of %s: %w", r.digest, r.sources[0].host, err)
}

func (r *blobReader) verify() error {
	if r.sum == nil {
		return io.EOF
	}
	got := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(r.sum.Sum(nil))}
	if got != r.digest {
		return &DigestError{fmt.Sprintf("the blob that %s sent", r.sources[0].host), r.digest, got}
	}
	return io.EOF
}

func (r *blobReader) closeBody() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// Close ends the transfer; it may be called at any point.
func (r *blobReader) Close() error {
	r.closeBody()
	if r.err == nil {
		r.err = errors.New("reading a closed blob")
	}
	return nil
}

// openBlob returns the blob's bytes from offset on.
func (e *endpoint) openBlob(ctx context.Context, digest v1.Hash, offset, size int64) (io.ReadCloser, error) {
	// Compression by the transport would hide the length and break ranges.
	header := http.Header{"Accept-Encoding": {"identity"}}
	if offset > 0 {
		// The in-process registry of go-containerregistry wants both ends.
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, size-1))
	}
	resp, err := e.do(ctx, call{method: http.MethodGet, url: e.url("blobs/%s", digest), header: header},
		http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	if err := checkBlob(resp, digest, offset, size); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && offset > 0 {
		// No ranges here: read and drop what is known already.
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			resp.Body.Close()
			return nil, &brokenError{err}
		}
	}
	return resp.Body, nil
}

func checkBlob(resp *http.Response, digest v1.Hash, offset, size int64) error {
	what := fmt.Sprintf("blob %s of %s", digest, resp.Request.URL.Host)
	if resp.StatusCode == http.StatusPartialContent {
		want := fmt.Sprintf("bytes %d-%d/", offset, size-1)
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, want) {
			return fmt.Errorf("%s: requested %s, got %q", what, want, printable(got))
		}
		return nil
	}
	if resp.ContentLength >= 0 && resp.ContentLength != size {
		return &SizeError{what, size, resp.ContentLength}
	}
	return nil
}
