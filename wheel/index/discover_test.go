package index_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func TestDiscoverPinsWhatIsThere(t *testing.T) {
	t.Parallel()
	body := content(300_000, 3)
	want := pinOf("https://example.com/file", body)
	// The first answer breaks off; only an ETag allows to go on behind it.
	for name, etag := range map[string]string{"with an ETag": `"v1"`, "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, body, func(n int64, w http.ResponseWriter, r *http.Request, file http.Handler) {
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				if n == 1 {
					w.Header().Set("Content-Length", "300000")
					w.Write(body[:100_000])
					return
				}
				if etag == "" && r.Header.Get("Range") != "" {
					t.Error("a part of a file that nothing vouches for was asked for")
				}
				file.ServeHTTP(w, r)
			})
			dir := t.TempDir()
			c := &index.Client{Rewrite: func(string) string { return s.URL }}
			for range 2 {
				got, err := c.Discover(t.Context(), index.Pin{Name: "tiny", File: want.File, URL: want.URL}, dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("pin (-want +got):\n%s", diff)
				}
			}
			wantOnly(t, dir, want.SHA256)
			if got, err := os.ReadFile(want.Path(dir)); err != nil || string(got) != string(body) {
				t.Errorf("the file holds %d bytes (%v)", len(got), err)
			}
		})
	}
}

// wantOnly checks that the blobs of dir are exactly these.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, func(_ int64, w http.ResponseWriter, r *http.Request, _ http.Handler) { http.NotFound(w, r) })
	dir := t.TempDir()
	_, err := (&index.Client{}).Discover(t.Context(), index.Pin{File: "f", URL: s.URL}, dir, nil)
	if _, ok := errors.AsType[*index.GoneError](err); !ok {
		t.Errorf("a missing file gave %v", err)
	}
	wantOnly(t, dir)
	if _, err := (&index.Client{Offline: true}).Discover(t.Context(), index.Pin{File: "f", URL: s.URL}, dir, nil); !errors.Is(err, index.ErrOffline) {
		t.Errorf("offline gave %v", err)
	}
	_, err = (&index.Client{}).Discover(t.Context(), index.Pin{File: "f", URL: "file:///etc/passwd"}, dir, nil)
	if err == nil || !strings.Contains(err.Error(), "neither http:// nor https://") {
		t.Errorf("a local file gave %v", err)
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	body := content(5000, 4)
	s := serve(t, body, nil)
	want := pinOf(s.URL, body)
	asked := want
	asked.Size = 0
	got, err := (&index.Client{}).Measure(t.Context(), asked, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pin (-want +got):\n%s", diff)
	}
}
