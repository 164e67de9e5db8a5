package registry_test

import (
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

func BenchmarkPush(b *testing.B) {
	const size = 64 << 20
	img, err := mutate.AppendLayers(empty.Image, fixedLayer(size))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		s := newStrict()
		addr := serve(b, s)
		if _, err := registry.New(registry.Options{Chunk: 16 << 20}).Push(b.Context(), tag(b, fmt.Sprintf("%s/bench/app:v%d", addr, i)), img, nil); err != nil {
			b.Fatal(err)
		}
	}
}
