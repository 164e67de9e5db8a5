package layer_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
)

func TestScratch(t *testing.T) {
	t.Parallel()
	digests := map[v1.Hash]string{}
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/arm64/v9"} {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		img, err := layer.Scratch(*p)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", platform, err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want := platform
		if platform == "linux/arm64" {
			want += "/v8"
		}
		if got := config.Platform().String(); got != want {
			t.Errorf("%s is %s", platform, got)
		}
		if diff := cmp.Diff(v1.Config{}, config.Config); diff != "" {
			t.Errorf("it sets (-want +got):\n%s", diff)
		}
		h, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[h] = platform
		blob, err := layer.Write(t.Context(), t.TempDir(), fstest.MapFS{"a": {Data: []byte("a"), Mode: 0o644}}, layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if img, err = layer.Append(img, layer.Config{}, blob); err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s with a layer: %v", platform, err)
		}
	}
	if len(digests) != 3 {
		t.Errorf("three platforms have the digests %v", digests)
	}
}
