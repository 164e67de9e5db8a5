package registry

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// follow takes the next address from an answer; an answer without one keeps
// the last, as some registries want it.
func (u *upload) follow(resp *http.Response) error {
	loc := resp.Header.Get("Location")
	if loc == "" {
		if u.location == "" {
			return &LocationError{"", "the registry opened an upload without a location"}
		}
		return nil
	}
	next, err := u.to.location(resp.Request.URL, loc)
	if err != nil {
		return err
	}
	u.location = next
	return nil
}

// location makes an absolute address of a Location: relative, absolute, with
// or without a query. It never leaves https.
func (e *endpoint) location(base *url.URL, loc string) (string, error) {
	u, err := base.Parse(loc)
	if err != nil {
		return "", &LocationError{"", "not a URL"}
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", &LocationError{redact(u), "it is neither http nor https"}
	}
	if e.scheme == "https" && u.Scheme == "http" {
		// A registry behind a proxy that ends TLS takes itself for plain http.
		if u.Hostname() != hostname(e.host) {
			return "", &LocationError{redact(u), "it leaves https"}
		}
		u.Scheme, u.Host = e.scheme, e.host
	}
	u.User = nil
	out := u.String()
	if _, err := url.Parse(out); err != nil {
		return "", &LocationError{"", "not a URL"}
	}
	return out, nil
}

// received reads the Range of an upload's answer: 0-N, N included. 0-0 is
// taken for nothing received, as every registry means it after POST.
func received(h http.Header) (int64, bool) {
	v := strings.TrimPrefix(h.Get("Range"), "bytes=")
	first, last, ok := strings.Cut(v, "-")
	if !ok || first != "0" {
		return 0, false
	}
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n < 0 || n == math.MaxInt64 {
		return 0, last == "-1"
	}
	if n == 0 {
		return 0, true
	}
	return n + 1, true
}

func checkDigest(resp *http.Response, want v1.Hash) error {
	v := resp.Header.Get("Docker-Content-Digest")
	if v == "" {
		return nil
	}
	got, err := v1.NewHash(v)
	if err != nil {
		got = v1.Hash{Algorithm: "no digest", Hex: printable(v)}
	}
	if err != nil || got.Algorithm == want.Algorithm && got != want {
		return &DigestError{fmt.Sprintf("the blob that %s stored", resp.Request.URL.Host), want, got}
	}
	return nil
}
