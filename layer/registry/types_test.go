package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// What a registry keeps need not be an image: it is refused by its type, with
// the type, before any layer is read.
func TestPullRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	zero := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	manifest := func(config, layer types.MediaType) string {
		text, err := json.Marshal(v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
			Config: v1.Descriptor{MediaType: config, Digest: zero, Size: 2},
			Layers: []v1.Descriptor{{MediaType: layer, Digest: zero, Size: 2}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, test := range map[string]struct {
		content types.MediaType
		body    string
		want    types.MediaType
	}{
		"a chart":          {types.OCIManifestSchema1, manifest("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"), "application/vnd.cncf.helm.config.v1+json"},
		"a foreign layer":  {types.OCIManifestSchema1, manifest(types.OCIConfigJSON, types.DockerForeignLayer), types.DockerForeignLayer},
		"an encrypted one": {types.OCIManifestSchema1, manifest(types.OCIConfigJSON, types.OCILayer+"+encrypted"), types.OCILayer + "+encrypted"},
		"schema 1":         {types.DockerManifestSchema1Signed, `{"schemaVersion":1,"name":"a/b","tag":"v1","fsLayers":[]}`, types.DockerManifestSchema1},
		"its own word":     {types.OCIManifestSchema1, `{"schemaVersion":2,"mediaType":"application/vnd.example+json"}`, "application/vnd.example+json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.URL.Path, "/manifests/") {
					return
				}
				w.Header().Set("Content-Type", string(test.content))
				_, _ = w.Write([]byte(test.body))
			}))
			t.Cleanup(server.Close)
			_, err := client(t, registry.Options{}).Pull(t.Context(), tag(t, strings.TrimPrefix(server.URL, "http://")+"/a/b:v1"), amd64)
			if e, ok := errors.AsType[*layer.TypeError](err); !ok || e.MediaType != test.want {
				t.Errorf("%v, not the type %s", err, test.want)
			}
		})
	}
}
