package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// dockerImage is one image of a docker-archive's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// ReadDocker returns the image that a docker-archive (docker save) holds under
// tag ("name:tag", or its tag alone; empty means the only one). Its layers are
// tars: each is compressed once at a fixed level and kept below cacheDir by its
// diffID, so that the same archive gives the same OCI image everywhere; the
// config stays byte for byte. What it promises of a layer is checked on the way.
func ReadDocker(ctx context.Context, file, tag, cacheDir string) (v1.Image, error) {
	img, err := readDocker(ctx, file, tag, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("reading docker-archive %s: %w", file, err)
	}
	return img, nil
}

func readDocker(ctx context.Context, file, tag, cacheDir string) (v1.Image, error) {
	t, err := openTar(ctx, file)
	if err != nil {
		return nil, err
	}
	rawManifest, err := t.document("manifest.json")
	if err != nil {
		return nil, err
	}
	var images []dockerImage
	if err := json.Unmarshal(rawManifest, &images); err != nil {
		return nil, fmt.Errorf("parsing manifest.json: %w", err)
	}
	image, err := choose(images, tag)
	if err != nil {
		return nil, err
	}
	rawConfig, err := t.document(image.Config)
	if err != nil {
		return nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(rawConfig))
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", image.Config, err)
	}
	if len(config.RootFS.DiffIDs) != len(image.Layers) {
		return nil, fmt.Errorf("its config has %d layers, but its manifest %d", len(config.RootFS.DiffIDs), len(image.Layers))
	}
	var blobs []*layer.Blob
	for i, name := range image.Layers {
		b, err := dockerLayer(ctx, t, name, config.RootFS.DiffIDs[i], cacheDir)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		blobs = append(blobs, b)
	}
	return layer.Stack(rawConfig, blobs...)
}

// maxDocument bounds a manifest or config: real ones hold some kilobytes.
const maxDocument = 16 << 20

func (t *tarFS) document(name string) ([]byte, error) {
	s, ok := t.files[name]
	if !ok {
		return nil, fmt.Errorf("%q is missing", name)
	}
	if s.size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes, too many for a document", name, s.size)
	}
	return fs.ReadFile(t, name)
}

func choose(images []dockerImage, tag string) (dockerImage, error) {
	if tag == "" && len(images) == 1 {
		return images[0], nil
	}
	var have []string
	for _, image := range images {
		for _, t := range image.RepoTags {
			if tag != "" && (t == tag || strings.HasSuffix(t, ":"+tag)) {
				return image, nil
			}
			have = append(have, t)
		}
	}
	if tag == "" {
		return dockerImage{}, fmt.Errorf("it has %d images; choose from %s", len(images), strings.Join(have, ", "))
	}
	return dockerImage{}, fmt.Errorf("it has no tag %s; it has %s", tag, strings.Join(have, ", "))
}

func dockerLayer(ctx context.Context, t *tarFS, name string, diffID v1.Hash, cacheDir string) (*layer.Blob, error) {
	if _, err := v1.NewHash(diffID.String()); err != nil {
		return nil, err
	}
	dir := filepath.Join(cacheDir, diffID.Algorithm+"-"+diffID.Hex)
	blob, err := layer.Open(dir)
	if !errors.Is(err, layer.ErrNoBlob) {
		return blob, err
	}
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := decompress(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return layer.WriteTar(ctx, dir, &diffIDReader{contextio.NewReader(ctx, r), sha256.New(), diffID}, layer.Options{})
}

// diffIDReader fails at its end unless what it read has the diffID: the cache
// then never holds a layer under a name that is not its own.
type diffIDReader struct {
	r    io.Reader
	sum  hash.Hash
	want v1.Hash
}

func (d *diffIDReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.sum.Write(p[:n])
	if err == io.EOF {
		if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want.Hex {
			return n, fmt.Errorf("its tar is sha256:%s, not the expected %s", got, d.want)
		}
	}
	return n, err
}

// WriteDocker writes img as a docker-archive, which docker load and podman load
// take; tag is the name:tag it will have there (may be empty). Layers stay
// compressed. The same image gives the same bytes; file is replaced in one step.
func WriteDocker(ctx context.Context, file, tag string, img v1.Image) error {
	to, err := layer.OutputFile(file)
	if err != nil {
		return fmt.Errorf("writing docker-archive: %w", err)
	}
	err = atomicfile.Write(to, func(w io.Writer) error {
		return writeDocker(ctx, newTarWriter(w), tag, img)
	})
	if err != nil {
		return fmt.Errorf("writing docker-archive %s: %w", file, err)
	}
	return nil
}

func writeDocker(ctx context.Context, w *tarWriter, tag string, img v1.Image) error {
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	h, _, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	d := dockerImage{Config: h.Hex + ".json", Layers: []string{}}
	if tag != "" {
		d.RepoTags = []string{tag}
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		d.Layers = append(d.Layers, layerName(digest))
	}
	manifest, err := json.Marshal([]dockerImage{d})
	if err != nil {
		return err
	}
	if err := w.bytes("manifest.json", manifest); err != nil {
		return err
	}
	if err := w.bytes(d.Config, config); err != nil {
		return err
	}
	for _, l := range layers {
		if err := w.layer(ctx, l, layerName); err != nil {
			return err
		}
	}
	return w.Close()
}

func layerName(h v1.Hash) string { return h.Hex + ".tar.gz" }
