package layout_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// FuzzReadFS gives index, manifest and config of a stranger: reading them ends,
// and an image that is answered can be asked everything.
func FuzzReadFS(f *testing.F) {
	const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
	f.Add(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:`+zeros+`","size":2}]}`, `{}`)
	f.Add(`{"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:`+zeros+`","size":2}]}`, `{"manifests":[]}`)
	f.Add(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../../etc/passwd","size":-1}]}`, `{}`)
	f.Add(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha512:`+zeros+`","size":9223372036854775807}]}`, ``)
	f.Fuzz(func(t *testing.T, index, document string) {
		h, size, err := v1.SHA256(strings.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		index = strings.ReplaceAll(index, zeros, h.Hex)
		index = strings.ReplaceAll(index, `"size":2`, fmt.Sprintf(`"size":%d`, size))
		img, err := layout.ReadFS(fstest.MapFS{
			"index.json":            {Data: []byte(index)},
			"blobs/sha256/" + h.Hex: {Data: []byte(document)},
		}, "fuzz", "", v1.Platform{})
		if err != nil {
			return
		}
		if _, err := img.Digest(); err != nil {
			t.Error(err)
		}
		layers, err := img.Layers()
		if err != nil {
			return
		}
		for _, l := range layers {
			if rc, err := l.Uncompressed(); err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(rc, 1<<20))
				rc.Close()
			}
			_, _ = l.DiffID()
		}
	})
}
