package registry_test

import (
	"bytes"
	"io"
	"math/rand/v2"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fixedLayer has the same bytes in every process.
func fixedLayer(size int) v1.Layer {
	var b bytes.Buffer
	io.CopyN(&b, rand.NewChaCha8([32]byte{1}), int64(size))
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
}
