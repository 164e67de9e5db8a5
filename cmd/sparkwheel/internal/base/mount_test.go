package base

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// A base that is in the store is mounted where its registry has it, as one that
// was pulled in this run is; to another registry it goes from the store, and
// its own is asked for nothing.
func TestKeptBaseIsMounted(t *testing.T) {
	t.Parallel()
	platform := v1.Platform{OS: "linux", Architecture: "arm64"}
	home := registrytest.Distribution(t)
	pushed := registrytest.Image(t, 3<<20)
	conf, err := pushed.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	conf.OS, conf.Architecture = platform.OS, platform.Architecture
	if pushed, err = mutate.ConfigFile(pushed, conf); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.New(registry.Options{}).Push(t.Context(), registrytest.Tag(t, home+"/cuda/base:1"), pushed, nil); err != nil {
		t.Fatal(err)
	}
	digest, err := pushed.Digest()
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	seen, addr := registrytest.Before(t, home)
	reference, err := imagename.Parse(addr + "/cuda/base:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []struct{ name, to, how string }{
		{"empty store", registrytest.InMemory(t), registry.Sent},
		{"kept", addr, registry.Mounted},
		{"kept, elsewhere", registrytest.InMemory(t), registry.Sent},
	} {
		env := host.Env{Store: st, Registry: registry.New(registry.Options{})}
		b, hit, err := Open(t.Context(), env, reference, digest.String(), platform)
		if err != nil {
			t.Fatal(err)
		}
		if want := run.name != "empty store"; hit != want {
			t.Errorf("%s: in the store %t, want %t", run.name, hit, want)
		}
		before := len(seen.Seen())
		repo := strings.NewReplacer(" ", "-", ",", "").Replace(run.name)
		got, err := env.Registry.Push(t.Context(), registrytest.Tag(t, run.to+"/team/"+repo+":1"), b.Image, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Blobs[0].How != run.how {
			t.Errorf("%s: the base's layer was %s, want %s", run.name, got.Blobs[0].How, run.how)
		}
		for _, asked := range seen.Seen()[before:] {
			if strings.HasPrefix(asked, http.MethodGet+" /v2/cuda/base/blobs/") {
				t.Errorf("%s: the push read the base's registry: %s", run.name, asked)
			}
		}
	}
}
