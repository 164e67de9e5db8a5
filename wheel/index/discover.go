package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// Discover makes what is behind pin.URL today present below dir as Download
// does, without knowing its sha256 beforehand, and returns the pin with the
// sha256 and the size that it saw. It is for making a lock: nothing vouches for
// the bytes but the server. Only what arrives within one call is put together,
// and only where the server's ETag says that it is still the same file.
func (c *Client) Discover(ctx context.Context, pin Pin, dir string, progress func(done, total int64)) (_ Pin, err error) {
	u, err := url.Parse(c.address(pin.URL))
	if err != nil || !fetchable(u) {
		return Pin{}, fmt.Errorf("fetching %s: the URL %q is neither http:// nor https://", pin.File, Redact(pin.URL))
	}
	if c.Offline {
		return Pin{}, fmt.Errorf("fetching %s: %w", pin.File, ErrOffline)
	}
	name := sha256.Sum256([]byte("url " + pin.URL))
	part, err := openPart(ctx, filepath.Join(dir, "sha256", hex.EncodeToString(name[:])))
	if err != nil {
		return Pin{}, fmt.Errorf("fetching %s: %w", pin.File, err)
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	pin.SHA256, pin.Size = "", 0
	t := &transfer{client: c, pin: pin, url: u, part: part, progress: func(done, total, _ int64) {
		if progress != nil {
			progress(done, total)
		}
	}}
	if err := part.rewind(); err != nil {
		return Pin{}, fmt.Errorf("fetching %s: %w", pin.File, err)
	}
	if err := t.bring(ctx); err != nil {
		return Pin{}, errors.Join(err, part.discard())
	}
	pin.SHA256, pin.Size = part.sum(), part.size
	if pin.Present(dir) {
		return pin, part.discard()
	}
	part.final = pin.Path(dir)
	return pin, part.commit()
}

// Measure is Download for a pin whose size is not known: it returns the pin
// with the size of the file that is there afterwards.
func (c *Client) Measure(ctx context.Context, pin Pin, dir string, progress func(done, total int64)) (Pin, error) {
	path, err := c.Download(ctx, pin, dir, progress)
	if err != nil {
		return Pin{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Pin{}, fmt.Errorf("fetching %s: %w", pin.File, err)
	}
	pin.Size = info.Size()
	return pin, nil
}

// address is where a pinned URL is asked.
func (c *Client) address(pinned string) string {
	if c.Rewrite == nil {
		return pinned
	}
	return c.Rewrite(pinned)
}
