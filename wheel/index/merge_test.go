package index_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// What a merged index answers is what the indexes behind it answer, each
// distribution from its own.
func TestSimpleMergesIndexes(t *testing.T) {
	t.Parallel()
	serveIndex := func(version string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/simple/"), "/")
			switch name {
			case "a", "b":
				w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
				fmt.Fprintf(w, `{"meta":{"api-version":"1.1"},"files":[{"filename":"%s-%s-py3-none-any.whl","url":"../../f/%s.whl","hashes":{"sha256":"%s"},"size":7,"requires-python":">=3.9","upload-time":"2026-01-02T03:04:05.678Z","yanked":"broken"}]}`,
					name, version, name, strings.Repeat("ab", 32))
			case "torn":
				w.Header().Set("Content-Type", "text/plain")
			default:
				http.NotFound(w, r)
			}
		}))
		t.Cleanup(s.Close)
		return s
	}
	first, second := serveIndex("1"), serveIndex("2")
	behind := &index.Client{Index: first.URL + "/simple/", Extra: map[string]string{"b": second.URL + "/simple/"}}
	var said []string
	merged := httptest.NewServer(behind.Simple(func(name string, err error) { said = append(said, name) }))
	t.Cleanup(merged.Close)
	c := &index.Client{Index: merged.URL + "/simple/"}
	for _, name := range []string{"a", "b"} {
		want, err := behind.Files(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Files(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-behind +merged):\n%s", name, diff)
		}
	}
	if b, err := c.Files(t.Context(), "b"); err != nil || b[0].Name != "b-2-py3-none-any.whl" {
		t.Errorf("b is %v (%v), want the second index's", b, err)
	}
	if _, err := c.Files(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "distribution none is not at") {
		t.Errorf("an unknown name gave %v", err)
	}
	if _, err := c.Files(t.Context(), "torn"); err == nil || len(said) != 1 || said[0] != "torn" {
		t.Errorf("an answer that is none gave %v, said %q", err, said)
	}
}
