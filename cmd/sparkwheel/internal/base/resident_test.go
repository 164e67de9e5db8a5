package base

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// docker is a docker with one name and the images that it has had.
type docker struct {
	http.ServeMux
	means  atomic.Pointer[v1.Hash]
	copied atomic.Int32
}

func (d *docker) add(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := archive.WriteDocker(t.Context(), file, "", img); err != nil {
		t.Fatal(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	d.HandleFunc("/images/"+id.String()+"/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"Id":%q}`, id) })
	d.HandleFunc("/images/"+id.String()+"/get", func(w http.ResponseWriter, r *http.Request) {
		d.copied.Add(1)
		http.ServeFile(w, r, file)
	})
	return id
}

func TestResident(t *testing.T) {
	t.Parallel()
	d := &docker{}
	d.HandleFunc("/info", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	d.HandleFunc("/images/vllm:v1/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"Id":%q}`, d.means.Load()) })
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	var ids []v1.Hash
	for range 2 {
		img, err := random.Image(1000, 2)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.add(t, img))
	}
	env := func() host.Env {
		s, err := store.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return host.Env{Store: s, Offline: true, Runtimes: &hosts.Local{Docker: server.Client(), DockerURL: server.URL}}
	}
	name := imagename.Name{Transport: imagename.DockerDaemon, Reference: "vllm:v1"}
	here := env()
	open := func(env host.Env, pinned, want string, copied int32) {
		t.Helper()
		b, _, err := Open(t.Context(), env, name, pinned, v1.Platform{})
		if err != nil {
			t.Fatal(err)
		}
		id, err := b.Image.ConfigName()
		if err != nil || id.String() != want || b.Digest != want {
			t.Errorf("%s opened as %s with configuration %s, want %s: %v", name, b.Digest, id, want, err)
		}
		if got := d.copied.Swap(0); got != copied {
			t.Errorf("copied %d times, want %d", got, copied)
		}
	}
	first, second := ids[0].String(), ids[1].String()
	d.means.Store(&ids[0])
	open(here, "", first, 1)
	open(here, "", first, 0) // the store has it
	d.means.Store(&ids[1])
	open(here, first, first, 0)
	open(env(), first, first, 1) // another store: docker has it still, by its ID
	open(here, "", second, 1)
	gone := "sha256:" + strings.Repeat("0", 64)
	if _, _, err := Open(t.Context(), env(), name, gone, v1.Platform{}); err == nil || !strings.Contains(err.Error(), "it is now "+second+", but the lock pins "+gone) {
		t.Errorf("a pinned image that is gone: %v", err)
	}
	img, err := OpenImage(t.Context(), here, name, "", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := img.ConfigName(); id != ids[1] {
		t.Errorf("OpenImage: %s, want %s", id, second)
	}
}
