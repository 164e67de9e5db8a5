package index

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Pin is a file that a lock names: distribution, file name, address (without
// credentials), sha256 in lower-case hex, and size in bytes (0: unknown).
type Pin struct {
	Name, File, URL, SHA256 string
	Size                    int64
	// Limit is how many bytes a file without a known Size may have; 0: any number.
	Limit int64
	// Origin is where it is pinned, "pylock.vllm.toml:12", for messages; it may be
	// empty.
	Origin string
}

// Path is where Download puts the file of p below dir: sha256/<hex>.
func (p Pin) Path(dir string) string { return filepath.Join(dir, "sha256", p.SHA256) }

// Present says whether the file of p is below dir, in its pinned size. Its
// bytes are not read again: they were checked before they got that name.
func (p Pin) Present(dir string) bool {
	info, err := os.Lstat(p.Path(dir))
	return err == nil && info.Mode().IsRegular() && (p.Size == 0 || info.Size() == p.Size)
}

// check refuses a pin that cannot be fetched; address is where it is asked.
func (p Pin) check(address string) (*url.URL, error) {
	raw, err := hex.DecodeString(p.SHA256)
	if err != nil || len(raw) != 32 || strings.ToLower(p.SHA256) != p.SHA256 {
		return nil, &PinError{File: p.File, Msg: fmt.Sprintf("its pin has no sha256 (%q)", p.SHA256)}
	}
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return nil, &PinError{File: p.File, Msg: fmt.Sprintf("its pin's URL %q is neither http:// nor https://", Redact(address))}
	}
	return u, nil
}

// Download makes the file of pin present at pin.Path(dir) and returns that
// path. What is there already is not fetched again. The name appears only
// when size and sha256 are right and the bytes are on disk; other bytes are a
// *MismatchError and leave nothing. An interrupted transfer leaves a file
// ending in .part, which the next call goes on from, also in another process:
// several may download the same file, one does the work. progress, when not
// nil, is called with the bytes that are here and the size (0: unknown).
func (c *Client) Download(ctx context.Context, pin Pin, dir string, progress func(done, total int64)) (path string, err error) {
	return c.download(ctx, pin, dir, func(done, total, _ int64) {
		if progress != nil {
			progress(done, total)
		}
	})
}

// download also tells how many bytes came over the network so far.
func (c *Client) download(ctx context.Context, pin Pin, dir string, progress func(done, total, received int64)) (path string, err error) {
	u, err := pin.check(c.address(pin.URL))
	if err != nil {
		return "", err
	}
	final := pin.Path(dir)
	if pin.Present(dir) {
		progress(pin.Size, pin.Size, 0)
		return final, nil
	}
	if c.Offline {
		return "", fmt.Errorf("fetching %s: not downloaded yet: %w", pin.File, ErrOffline)
	}
	part, err := openPart(ctx, final)
	if err != nil {
		return "", fmt.Errorf("fetching %s: %w", pin.File, err)
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	if pin.Present(dir) { // another process was quicker
		progress(pin.Size, pin.Size, 0)
		return final, part.discard()
	}
	t := &transfer{client: c, pin: pin, url: u, part: part, progress: progress}
	if err := t.run(ctx); err != nil {
		return "", err
	}
	return final, nil
}

// transfer is one Download that needs the network.
type transfer struct {
	client   *Client
	pin      Pin
	url      *url.URL
	part     *part
	progress func(done, total, received int64)
	etag     string
	received int64
}

func (t *transfer) run(ctx context.Context) error {
	if err := t.part.load(ctx); err != nil {
		return fmt.Errorf("fetching %s: %w", t.pin.File, err)
	}
	resumed := t.part.size > 0
	if resumed {
		t.progress(t.part.size, t.pin.Size, 0)
	}
	for {
		err := t.bring(ctx)
		if err == nil {
			err = t.compare()
		}
		if err == nil {
			return t.part.commit()
		}
		bad, ok := errors.AsType[*MismatchError](err)
		if !ok {
			return err
		}
		// What an earlier run left may have been torn by a crash: only bytes
		// that were all brought by this run speak against the server.
		if !resumed {
			return errors.Join(bad, t.part.discard())
		}
		resumed = false
		if err := t.part.rewind(); err != nil {
			return fmt.Errorf("fetching %s: %w", t.pin.File, err)
		}
	}
}

// bring appends to the part until the server says that it is whole.
func (t *transfer) bring(ctx context.Context) error {
	err := whole(ctx, func() (bool, error) {
		before := t.received
		err := t.once(ctx)
		return t.received > before, err
	})
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*MismatchError](err); ok {
		return err
	}
	if e, ok := errors.AsType[*StatusError](err); ok && (e.Code == http.StatusNotFound || e.Code == http.StatusGone) {
		return &GoneError{Name: t.pin.Name, File: t.pin.File, Origin: t.pin.Origin, Cause: e}
	}
	return fmt.Errorf("fetching %s from %s: %w", t.pin.File, Redact(t.url.String()), err)
}

// once makes one request for what is missing and appends its body.
func (t *transfer) once(ctx context.Context) error {
	// Nothing would tell that two halves of an unpinned file are of one whole.
	if t.pin.SHA256 == "" && t.etag == "" && t.part.size > 0 {
		if err := t.part.rewind(); err != nil {
			return err
		}
	}
	have := t.part.size
	if t.pin.Size > 0 && have == t.pin.Size {
		return nil
	}
	header := http.Header{"Accept-Encoding": {"identity"}}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if t.etag != "" {
			header.Set("If-Range", t.etag)
		}
	}
	resp, err := t.client.get(ctx, t.url, header, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	size, err := t.place(resp)
	if err != nil || size == t.part.size && resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return err
	}
	if t.pin.Size > 0 && size > 0 && size != t.pin.Size {
		return t.mismatch("", size)
	}
	if err := t.within(size); err != nil {
		return err
	}
	return t.copy(resp, max(size, t.pin.Size))
}

// place makes the part as long as the offset at which the answer's body goes
// on, and returns the whole file's size as the server has it (0: not told).
func (t *transfer) place(resp *http.Response) (size int64, err error) {
	t.etag = strongETag(resp.Header)
	switch resp.StatusCode {
	case http.StatusPartialContent:
		start, size, ok := contentRange(resp.Header)
		if ok && start == t.part.size {
			return size, nil
		}
		if err := t.part.rewind(); err != nil {
			return 0, err
		}
		return 0, &brokenError{fmt.Errorf("the server sent another range than requested (%q)", resp.Header.Get("Content-Range"))}
	case http.StatusRequestedRangeNotSatisfiable:
		// The part may be the whole file already, or longer than it.
		if _, size, ok := contentRange(resp.Header); ok && size == t.part.size {
			return size, nil
		}
		if err := t.part.rewind(); err != nil {
			return 0, err
		}
		return 0, &brokenError{errors.New("the server has fewer bytes than were already received")}
	}
	if t.part.size > 0 {
		if err := t.part.rewind(); err != nil {
			return 0, err
		}
	}
	return max(resp.ContentLength, 0), nil
}

// copy appends the body, never more than size when that is known.
func (t *transfer) copy(resp *http.Response, size int64) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			t.received += int64(n)
			if size > 0 && t.part.size+int64(n) > size {
				return t.mismatch("", t.part.size+int64(n))
			}
			if err := t.within(t.part.size + int64(n)); err != nil {
				return err
			}
			if _, err := t.part.Write(buf[:n]); err != nil {
				return err
			}
			t.progress(t.part.size, size, t.received)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &brokenError{bareCause(resp.Request.Context(), err)}
		}
	}
	if size > 0 && t.part.size < size {
		return &brokenError{fmt.Errorf("%w after %d of %d bytes", io.ErrUnexpectedEOF, t.part.size, size)}
	}
	return nil
}

// within refuses what is larger than an unknown size may be. Nothing of it is
// worth keeping.
func (t *transfer) within(size int64) error {
	if t.pin.Size > 0 || t.pin.Limit == 0 || size <= t.pin.Limit {
		return nil
	}
	return errors.Join(&TooLargeError{File: t.pin.File, URL: Redact(t.url.String()), Limit: t.pin.Limit}, t.part.rewind())
}

// compare holds the whole part against the pin.
func (t *transfer) compare() error {
	if got := t.part.sum(); got != t.pin.SHA256 {
		return t.mismatch(got, t.part.size)
	}
	return nil
}

func (t *transfer) mismatch(got string, size int64) error {
	return &MismatchError{
		Name: t.pin.Name, File: t.pin.File, URL: Redact(t.url.String()),
		Want: t.pin.SHA256, Got: got, WantSize: t.pin.Size, GotSize: size,
	}
}

// contentRange reads "bytes 5-9/10" and "bytes */10" (RFC 9110, 14.4).
func contentRange(h http.Header) (start, size int64, ok bool) {
	s, found := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	span, total, slash := strings.Cut(s, "/")
	if !found || !slash {
		return 0, 0, false
	}
	if total != "*" {
		n, err := strconv.ParseUint(total, 10, 62)
		if err != nil {
			return 0, 0, false
		}
		size = int64(n)
	}
	if span == "*" {
		return 0, size, true
	}
	first, _, dash := strings.Cut(span, "-")
	n, err := strconv.ParseUint(first, 10, 62)
	return int64(n), size, dash && err == nil
}

// strongETag returns the validator that If-Range may carry, if there is one.
func strongETag(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return ""
}
