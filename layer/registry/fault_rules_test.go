package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func strike(match func(*http.Request) bool, do act) func() []*rule { return later(0, match, do) }

func later(skip int, match func(*http.Request) bool, do act) func() []*rule {
	return func() []*rule { return []*rule{{match: match, skip: skip, times: 1, do: do}} }
}

func always(match func(*http.Request) bool, do act) func() []*rule {
	return func() []*rule { return []*rule{{match: match, times: -1, do: do}} }
}

func one(match func(*http.Request) bool, code int, header ...string) func() []*rule {
	return strike(match, status(code, header...))
}

// burst strikes two requests of each kind.
func burst(code int) func() []*rule {
	return func() []*rule {
		var rules []*rule
		for _, m := range []string{"HEAD", "POST", "PATCH", "PUT", "GET"} {
			rules = append(rules, &rule{match: method(m), times: 2, do: status(code)})
		}
		return rules
	}
}

func chunks(r *http.Request) bool {
	return r.Method == http.MethodPatch && r.Header.Get("Content-Range") != "" && !strings.HasPrefix(r.Header.Get("Content-Range"), "0-")
}

func tooLarge(r *http.Request) bool { return r.ContentLength > chunkSize }

func manifestPut(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

func manifestGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}

// slug makes a repository name of the test's.
func slug(t *testing.T) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), "-")
}

func imageBytes(t *testing.T, img v1.Image) int64 {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	n := m.Config.Size + 2*int64(len(raw))
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}
