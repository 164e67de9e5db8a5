package registrytest

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image has layers of these sizes, each with bytes of its own: not gzip, since
// making that would be most of the time these tests take.
func Image(t testing.TB, sizes ...int64) v1.Image {
	t.Helper()
	img := empty.Image
	for _, n := range sizes {
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], layers.Add(1))
		var b bytes.Buffer
		io.CopyN(&b, rand.NewChaCha8(seed), n)
		var err error
		if img, err = mutate.AppendLayers(img, static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// layers counts the layers made, so that no two are the same.
var layers atomic.Uint64

// Tag parses a reference with a tag.
func Tag(t testing.TB, s string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}
