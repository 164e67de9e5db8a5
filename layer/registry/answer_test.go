package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestFollow holds what an answer without a Location means: after the first
// that the address stays.
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ before, location, want string }{
		{"", "/v2/a/blobs/uploads/1", "https://example.org/v2/a/blobs/uploads/1"},
		{"https://example.org/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/2", "https://example.org/v2/a/blobs/uploads/2"},
		{"https://example.org/v2/a/blobs/uploads/1", "", "https://example.org/v2/a/blobs/uploads/1"},
		{"", "", ""},
		{"", "ftp://example.org/", ""},
	} {
		u := &upload{to: &endpoint{endpointKey: endpointKey{scheme: "https", host: "example.org"}}, location: tt.before}
		resp := &http.Response{Header: http.Header{}, Request: &http.Request{URL: &url.URL{Scheme: "https", Host: "example.org", Path: "/v2/a"}}}
		if tt.location != "" {
			resp.Header.Set("Location", tt.location)
		}
		err := u.follow(resp)
		if u.location != tt.want || errors.As(err, new(*LocationError)) != (tt.want == "") {
			t.Errorf("%+v: %q, %v", tt, u.location, err)
		}
	}
}

// TestCheckDigest takes a digest of another algorithm for no answer, and what
// is no digest for a wrong one.
func TestCheckDigest(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	want := v1.Hash{Algorithm: "sha256", Hex: a}
	for value, ok := range map[string]bool{"": true, "sha256:" + a: true, "sha256:" + b: false, "sha512:" + a + a: true, "nonsense": false, "sha256:x": false} {
		resp := &http.Response{Header: http.Header{"Docker-Content-Digest": {value}}, Request: &http.Request{URL: &url.URL{Host: "example.org"}}}
		err := checkDigest(resp, want)
		if errors.As(err, new(*DigestError)) == ok || (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}
