package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// smallBlob goes in one PUT: two requests in place of three.
const smallBlob = 1 << 20

// way is how the bytes of an upload travel.
type way int

const (
	chunked  way = iota // PATCH with Content-Range, one chunk each, then PUT
	streamed            // one PATCH of the whole blob, then PUT
	single              // one PUT of the whole blob
)

// upload brings one blob into one repository (distribution-spec, Pushing
// blobs). A blob of more than smallBlob is never sent more than twice.
type upload struct {
	push   *push
	to     *endpoint
	source source
	// chunk is what the next PATCH carries, first what the first one did, unless
	// the registry asked for more. It grows until something goes wrong.
	chunk, first int64
	growing      bool

	// ways are left to try; a registry that refuses one is tried with the next.
	ways     []way
	location string // where the registry wants the next request; empty before POST
	offset   int64  // what it has acknowledged
	unsure   bool   // it may have more or less than offset: ask before sending
	resumed  bool   // the session is another run's

	body io.ReadCloser // the source, at pos; nil when it is not open
	pos  int64

	sending    bool // the last request carried bytes of the blob
	committing bool // the last request was the one that closes the session
	doubted    bool // chunk and status contradicted each other
	disturbed  bool // something was sent again in this session
	mute       bool // the registry's Range says nothing about what it has
	restarts   int  // fresh sessions after one was lost
	spent      counter
	fault      error // of the attempt before
}

func newUpload(p *push, s source) *upload {
	u := &upload{push: p, to: p.to, source: s, ways: []way{chunked, streamed, single}}
	u.first, u.growing = p.c.opt.Chunk, p.c.opt.Now != nil
	if known := p.to.learned(); known.chunk > 0 {
		u.first, u.growing = min(u.first, known.chunk), false
	} else if known.way > 0 {
		u.ways = u.ways[known.way:]
	}
	if s.size <= smallBlob {
		u.ways = []way{single, streamed}
	}
	u.chunk = u.first
	return u
}

// run returns how the blob came to be there.
func (u *upload) run(ctx context.Context) (string, error) {
	if here, err := u.exists(ctx); err != nil || here {
		return Present, err
	}
	u.recall()
	defer u.closeBody()
	tries := row{limit: u.push.c.opt.Attempts}
	for {
		before := u.offset
		u.sending, u.committing = false, false
		how, err := u.attempt(ctx)
		if err == nil {
			u.forget()
			return how, nil
		}
		if u.offset > before {
			tries.progressed()
		}
		u.fault = err
		if errors.Is(err, errRenewed) {
			// A refused token took none of the body with it.
			if err := tries.again(ctx, err); err != nil {
				return Sent, err
			}
			continue
		}
		// The answer may have been lost, or another push may have brought it.
		if (u.committing || u.sending) && (temporary(err) || u.committing && errors.As(err, new(*StatusError))) {
			if here, herr := u.exists(ctx); herr == nil && here {
				u.forget()
				return Sent, nil
			}
		}
		u.unsure = true
		adapted := u.adapt(err)
		u.growing, u.chunk = false, min(u.chunk, u.first)
		if adapted {
			continue
		}
		// What carried no bytes was repeated by the transport already.
		if !u.sending {
			return Sent, err
		}
		if temporary(err) {
			u.report(err)
		}
		if err := tries.again(ctx, err); err != nil {
			return Sent, err
		}
		u.disturbed = true
	}
}

func (u *upload) exists(ctx context.Context) (bool, error) {
	resp, err := u.to.do(ctx, call{method: http.MethodHead, url: u.to.url("blobs/%s", u.source.digest)},
		http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	here := resp.StatusCode == http.StatusOK
	if here && resp.ContentLength >= 0 && resp.ContentLength != u.source.size {
		return false, &SizeError{fmt.Sprintf("blob %s of %s", u.source.digest, u.to.host), u.source.size, resp.ContentLength}
	}
	return here, resp.Body.Close()
}

// attempt goes from where the upload stands to its end.
func (u *upload) attempt(ctx context.Context) (string, error) {
	if u.location != "" && u.unsure {
		if err := u.status(ctx); err != nil {
			return "", err
		}
	}
	if u.location == "" {
		mounted, err := u.start(ctx)
		if mounted || err != nil {
			return Mounted, err
		}
	}
	if u.ways[0] == single {
		return Sent, u.commit(ctx, true)
	}
	for u.offset < u.source.size {
		if err := u.patch(ctx); err != nil {
			return "", err
		}
		u.report(nil)
	}
	return Sent, u.commit(ctx, false)
}

func (u *upload) report(fault error) {
	u.push.progress(BlobProgress{Digest: u.source.digest, Done: u.offset, Total: u.source.size, Fault: fault})
}

// start opens a session, or has the registry mount the blob from a sibling.
func (u *upload) start(ctx context.Context) (mounted bool, err error) {
	u.offset, u.unsure, u.resumed, u.doubted, u.disturbed, u.mute = 0, false, false, false, false, false
	target := u.to.url("blobs/uploads/")
	if m := u.source.mount; m != nil && m.RegistryStr() == u.to.host && m.RepositoryStr() != u.to.repo {
		u.to.alsoReads(m.RepositoryStr())
		q := url.Values{"mount": {u.source.digest.String()}, "from": {m.RepositoryStr()}}
		done, err := u.post(ctx, target+"?"+q.Encode())
		if !errors.As(err, new(*StatusError)) && !errors.As(err, new(*CredentialsError)) {
			return done, err
		}
		// Mounting is a courtesy: a registry that refuses it, or whose token server
		// does (Harbor, of a project that one may not read), gets the bytes.
		u.to.readsNot(m.RepositoryStr())
		u.source.mount = nil
	}
	return u.post(ctx, target)
}

func (u *upload) post(ctx context.Context, target string) (mounted bool, err error) {
	resp, err := u.to.do(ctx, call{method: http.MethodPost, url: target}, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return true, checkDigest(resp, u.source.digest)
	}
	if least, err := strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64); err == nil {
		u.first = max(u.first, min(least, u.source.size))
		u.chunk = max(u.chunk, u.first)
	}
	if err := u.follow(resp); err != nil {
		return false, err
	}
	u.remember()
	return false, nil
}

// status asks how much the registry has. A session it no longer knows is
// dropped; where a registry cannot say, what it acknowledged last is believed:
// it refuses the next chunk, or the digest at the end, when that is wrong.
func (u *upload) status(ctx context.Context) error {
	u.unsure = false
	resp, err := u.to.do(ctx, call{method: http.MethodGet, url: u.location}, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	switch {
	case err == nil:
	case hasStatus(err, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented):
		return nil
	case hasStatus(err, http.StatusNotFound, http.StatusGone, http.StatusRequestedRangeNotSatisfiable):
		u.abandon()
		return nil
	default:
		u.unsure = true
		return err
	}
	defer resp.Body.Close()
	got, ok := received(resp.Header)
	if !ok || got > u.source.size || u.mute {
		u.abandon()
		return nil
	}
	u.offset = got
	return u.follow(resp)
}

func (u *upload) abandon() {
	u.location, u.offset, u.unsure = "", 0, false
	u.forget()
}

// patch sends the next chunk, or all of it when streamed.
func (u *upload) patch(ctx context.Context) error {
	n := u.source.size - u.offset
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if u.ways[0] == chunked {
		n = min(n, u.chunk)
		header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, u.offset+n-1))
	}
	began := u.now()
	resp, err := u.send(ctx, call{method: http.MethodPatch, url: u.location, header: header}, n,
		http.StatusAccepted, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	u.offset, u.doubted = u.taken(resp.Header, n), false
	if err := u.follow(resp); err != nil {
		return err
	}
	u.remember()
	u.grow(n, u.now().Sub(began))
	return nil
}

// send sends n bytes from the offset on with c. The source stays open from one
// chunk to the next: not every layer can be opened in the middle.
func (u *upload) send(ctx context.Context, c call, n int64, ok ...int) (*http.Response, error) {
	if sent := u.spent.Load(); sent+n > 2*u.source.size+smallBlob {
		return nil, &ResentError{u.source.size, sent, u.fault}
	}
	if u.body != nil && u.pos != u.offset {
		u.closeBody()
	}
	if u.body == nil {
		body, err := u.source.open(ctx, u.offset)
		if err != nil {
			return nil, err
		}
		u.body, u.pos = body, u.offset
	}
	g := &guard{r: u.moving(u.spent.reader(u.push.sent.reader(io.LimitReader(u.body, n))))}
	c.body, c.length = g, n
	u.sending = true
	resp, err := u.to.do(ctx, c, ok...)
	u.pos += g.stop()
	if err != nil {
		u.closeBody()
	}
	return resp, err
}

func (u *upload) closeBody() {
	if u.body != nil {
		u.body.Close()
		u.body = nil
	}
}

// commit closes the session; with all it carries the whole blob.
func (u *upload) commit(ctx context.Context, all bool) error {
	target, err := url.Parse(u.location)
	if err != nil {
		return &LocationError{"", "not a URL"}
	}
	q := "digest=" + url.QueryEscape(u.source.digest.String())
	if target.RawQuery != "" {
		q = target.RawQuery + "&" + q
	}
	target.RawQuery = q
	c := call{method: http.MethodPut, url: target.String(), header: http.Header{"Content-Type": {"application/octet-stream"}}}
	u.committing = true
	ok := []int{http.StatusCreated, http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	var resp *http.Response
	if all && u.source.size > 0 {
		resp, err = u.send(ctx, c, u.source.size, ok...)
	} else {
		resp, err = u.to.do(ctx, c, ok...)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return checkDigest(resp, u.source.digest)
}
