package layer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sparkwheel/sparkwheel/layer"
)

// A layer of a few hundred bytes that holds a sparse file of a terabyte is
// refused before any of that is written.
func TestUnpackRefusesBombs(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, err := range []error{
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/hostname", Mode: 0o644, Size: 2}),
		writeTo(w, "x\n"),
		w.Flush(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text.Write(sparseEntry("etc/bomb", 1<<40))
	text.Write(make([]byte, 1024))
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, []v1.Layer{l}...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = layer.Unpack(t.Context(), img, root)
	if err == nil || !strings.Contains(err.Error(), `"etc/bomb": the layer unpacks to more than 100 times its size`) {
		t.Error(err)
	}
	if _, err := os.Stat(dir + "/etc/bomb"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something of it was written: %v", err)
	}
}

func writeTo(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// sparseEntry is an entry of a tar file in the GNU sparse format 1.0 of PAX: its
// map says that nothing of it is stored.
func sparseEntry(name string, size int64) []byte {
	sparse := make([]byte, 512)
	copy(sparse, "0\n")
	records := ""
	for _, kv := range [][2]string{
		{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", name}, {"GNU.sparse.realsize", fmt.Sprint(size)},
	} {
		body := " " + kv[0] + "=" + kv[1] + "\n"
		n := len(body) + 2
		if n > 99 {
			n++
		}
		records += fmt.Sprintf("%d%s", n, body)
	}
	var b bytes.Buffer
	for _, e := range []struct {
		kind byte
		name string
		body []byte
	}{{'x', "PaxHeaders/x", []byte(records)}, {'0', "GNUSparseFile/x", sparse}} {
		head := make([]byte, 512)
		copy(head, e.name)
		copy(head[100:], "0000644\x000000000\x000000000\x00")
		copy(head[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(e.body)))
		head[156] = e.kind
		copy(head[257:], "ustar\x0000")
		copy(head[148:], "        ")
		sum := 0
		for _, c := range head {
			sum += int(c)
		}
		copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(head)
		b.Write(e.body)
		b.Write(make([]byte, (512-len(e.body)%512)%512))
	}
	return b.Bytes()
}
