// Package layout keeps images in OCI image layouts: Write puts one under a tag
// of a directory, Read and ReadFS take one out again.
package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer"
)

// maxDepth is how far indexes may stand within indexes.
const maxDepth = 4

// maxDocument bounds what is read into memory as an index, manifest or config.
const maxDocument = 16 << 20

// Read returns the image that dir holds under tag, which may also be the digest
// of one; an empty tag means the only one there, tagged or not, or "latest" of
// several. Anything else is a *TagError. Of an index it takes the manifest for
// p, whose zero value fits the only one. What cannot be an image is a
// *layer.TypeError. The documents are checked against their digests now, each
// layer while it is read; no file stays open.
func Read(dir, tag string, p v1.Platform) (v1.Image, error) {
	img, err := ReadFS(os.DirFS(dir), dir, tag, p)
	if err != nil {
		return nil, fmt.Errorf("reading OCI layout: %w", err)
	}
	return img, nil
}

// ReadFS is Read of a layout in any file system; name is what errors call it.
func ReadFS(fsys fs.FS, name, tag string, p v1.Platform) (v1.Image, error) {
	l := store{fsys: fsys, name: name}
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	desc, err := l.find(index, tag)
	if err != nil {
		return nil, err
	}
	for depth := 0; desc.MediaType.IsIndex(); depth++ {
		if depth == maxDepth {
			return nil, fmt.Errorf("%s: %w", name, errTooDeep)
		}
		if desc, err = l.choose(desc, p); err != nil {
			return nil, err
		}
	}
	return l.image(desc)
}

// store reads a layout's files, each checked.
type store struct {
	fsys fs.FS
	name string
}

func (l store) index() (*v1.IndexManifest, error) {
	f, err := l.open("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not an OCI layout: it has no index.json: %w", l.name, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(src) > maxDocument {
		return nil, fmt.Errorf("reading index.json of %s: it has more than %d bytes", l.name, maxDocument)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(src, &index); err != nil {
		return nil, fmt.Errorf("parsing index.json of %s: %w", l.name, err)
	}
	return &index, nil
}

// document reads a manifest, index or config whole and checks it.
func (l store) document(desc v1.Descriptor) ([]byte, error) {
	if desc.Size > maxDocument {
		return nil, fmt.Errorf("reading %s: %d bytes are too many for a document", desc.Digest, desc.Size)
	}
	rc, err := l.blob(desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// blob opens a blob; reading it to its end fails unless digest and size agree.
func (l store) blob(desc v1.Descriptor) (io.ReadCloser, error) {
	if desc.Digest.Algorithm != "sha256" {
		return nil, fmt.Errorf("reading %s: only sha256 is supported", desc.Digest)
	}
	f, err := l.open(blobPath(desc.Digest))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", l.name, err)
	}
	return newVerifier(f, desc), nil
}

// open opens a file of the layout. To open a FIFO would wait for its writer.
func (l store) open(path string) (fs.File, error) {
	info, err := fs.Stat(l.fsys, path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return l.fsys.Open(path)
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (l store) image(desc v1.Descriptor) (v1.Image, error) {
	img := &image{store: l, desc: desc}
	var err error
	if img.rawManifest, err = l.document(desc); err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(img.rawManifest))
	if err != nil {
		return nil, fmt.Errorf("parsing manifest %s: %w", desc.Digest, err)
	}
	if err := layer.CheckTypes(m); err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	img.manifest = m
	if img.rawConfig, err = l.document(m.Config); err != nil {
		return nil, err
	}
	if img.desc.MediaType == "" {
		img.desc.MediaType = types.OCIManifestSchema1
	}
	return img.whole()
}
