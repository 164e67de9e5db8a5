package layout_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// BenchmarkWrite writes an image of four layers of 16 MiB into a new layout, as
// this package (each blob synced before its name appears) and as ggcr.
func BenchmarkWrite(b *testing.B) {
	img, err := random.Image(16<<20, 4)
	if err != nil {
		b.Fatal(err)
	}
	for _, with := range []struct {
		name  string
		write func(b *testing.B, dir string) error
	}{
		{"ours", func(b *testing.B, dir string) error {
			_, err := layout.Write(b.Context(), dir, "latest", img)
			return err
		}},
		{"ggcr", func(_ *testing.B, dir string) error {
			p, err := ggcr.Write(dir, empty.Index)
			if err != nil {
				return err
			}
			return p.AppendImage(img)
		}},
	} {
		b.Run(with.name, func(b *testing.B) {
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			for b.Loop() {
				if err := with.write(b, filepath.Join(b.TempDir(), "image")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
