package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// A session that an earlier push left is taken up where it fits, and is as
// good as none where it does not: the file may be damaged or another's.
func TestPushSessionFiles(t *testing.T) {
	t.Parallel()
	set := func(key string, value any) func(map[string]any) { return func(m map[string]any) { m[key] = value } }
	for name, tt := range map[string]struct {
		change  func(map[string]any)
		resumes bool
	}{
		"as it is":              {func(map[string]any) {}, true},
		"at the start":          {set("offset", 0), true},
		"at the end":            {set("offset", layerSize), true},
		"before the start":      {set("offset", -1), false},
		"behind the end":        {set("offset", layerSize+1), false},
		"of another repository": {set("repository", "example.org/a/b"), false},
		"of another blob":       {set("digest", "sha256:"+strings.Repeat("0", 64)), false},
		"at no URL":             {set("location", "file:///etc/passwd"), false},
		"of no location":        {set("location", ":"), false},
		"of other JSON":         {set("offset", "x"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := t.TempDir()
			f, addr := before(t, strict(t), &rule{Match: large, Skip: 2, Times: 1, Do: status(403)})
			img := fixedImage(t, layerSize)
			opt := registry.Options{Chunk: chunkSize, Sessions: sessions, Jobs: 1}
			if _, err := client(t, opt).Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil); err == nil {
				t.Fatal("the push that is refused went through")
			}
			left, err := filepath.Glob(sessions + "/*.json")
			if err != nil || len(left) != 1 {
				t.Fatalf("sessions: %v, %v", left, err)
			}
			if info, err := os.Stat(left[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode of the session: %v, %v", info.Mode(), err)
			}
			var fields map[string]any
			text, err := os.ReadFile(left[0])
			if err == nil {
				err = json.Unmarshal(text, &fields)
			}
			if err != nil || fields["offset"] != float64(2*chunkSize) {
				t.Fatalf("the session is %s, %v", text, err)
			}
			tt.change(fields)
			if text, err = json.Marshal(fields); err == nil {
				err = os.WriteFile(left[0], text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := client(t, opt).Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := imageBytes(t, img)
			if tt.resumes {
				want -= 2 * chunkSize
			}
			if got.BytesSent != want {
				t.Errorf("sent %d bytes, want %d; it asked\n%s", got.BytesSent, want, f.Requests())
			}
			if left, _ := os.ReadDir(sessions); len(left) != 0 {
				t.Errorf("sessions stay behind: %v", left)
			}
		})
	}
}

// A blob that is there in another size ends the push; one whose size the
// registry does not say is there.
func TestPushSizeOfWhatIsThere(t *testing.T) {
	t.Parallel()
	for length, refused := range map[string]bool{"0": true, "1": true, "": false} {
		s := newStrict()
		img := fixedImage(t, layerSize)
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := layers[0].Digest()
		if err != nil {
			t.Fatal(err)
		}
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, digest.String()) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				return
			}
			s.ServeHTTP(w, r)
		}))
		_, err = client(t, registry.Options{}).Push(t.Context(), tag(t, host+"/a/b:v1"), img, nil)
		found, ok := errors.AsType[*registry.SizeError](err)
		if ok != refused || refused && strings.TrimSpace(found.Error()) == "" {
			t.Errorf("length %q: %v", length, err)
		}
	}
}

// A mount is asked for where it can be had: from another repository of the
// same registry.
func TestPushAsksForMounts(t *testing.T) {
	t.Parallel()
	s := newStrict()
	host, elsewhere := serve(t, s), strict(t)
	img := fixedImage(t, layerSize)
	for _, at := range []string{host, elsewhere} {
		if _, err := client(t, registry.Options{}).Push(t.Context(), tag(t, at+"/from/a:v1"), img, nil); err != nil {
			t.Fatal(err)
		}
	}
	for to, want := range map[string]bool{host + "/from/a:v2": false, host + "/to/b:v1": true, elsewhere + "/to/b:v1": false} {
		at, _, _ := strings.Cut(to, "/")
		absent := func(r *http.Request) bool {
			return r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/")
		}
		var mounts atomic.Int32
		asked := func(r *http.Request) bool {
			if r.URL.Query().Get("mount") != "" {
				mounts.Add(1)
			}
			return false
		}
		f, addr := before(t, at, &rule{Match: asked, Times: -1, Do: status(500)}, &rule{Match: absent, Times: -1, Do: status(404)})
		source := host
		if at == host {
			source = addr // the two names of one registry are two registries
		}
		c := client(t, registry.Options{Jobs: 1})
		pulled, err := c.Pull(t.Context(), tag(t, source+"/from/a:v1"), amd64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Push(t.Context(), tag(t, addr+strings.TrimPrefix(to, at)), pulled, nil); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		if got := mounts.Load() > 0; got != want {
			t.Errorf("%s: asked for a mount: %t, want %t; it asked\n%s", to, got, want, f.Requests())
		}
	}
}
