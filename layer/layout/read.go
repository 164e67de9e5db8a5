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
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation that holds a descriptor's tag (image-spec, annotations).
const refName = "org.opencontainers.image.ref.name"

// maxDepth is how far indexes may stand within indexes.
const maxDepth = 4

// maxDocument bounds what is read into memory as an index, manifest or config.
const maxDocument = 16 << 20

// TagError says that a layout does not hold what was asked of it.
type TagError struct {
	Dir, Tag  string
	Platform  string   // set when the tag is there, for other platforms only
	Available []string // the tags, or platforms, that are there
}

func (e *TagError) Error() string {
	have := "nothing"
	if len(e.Available) > 0 {
		have = strings.Join(e.Available, ", ")
	}
	if e.Platform != "" {
		return fmt.Sprintf("%s has no image for %s; it has %s", e.Dir, e.Platform, have)
	}
	if e.Tag == "" {
		return fmt.Sprintf("%s holds several images; name one as oci:%s:TAG, of %s", e.Dir, e.Dir, have)
	}
	return fmt.Sprintf("%s has no tag %s; it has %s", e.Dir, e.Tag, have)
}

// Read returns the image that dir holds under tag; an empty tag means the only
// one there, or "latest" of several. Of an index it takes the manifest for p,
// whose zero value fits the only one. The documents are checked against their
// digests now, each layer while it is read; no file stays open.
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
	src, err := fs.ReadFile(l.fsys, "index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no OCI layout: it has no index.json: %w", l.name, err)
	}
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(src, &index); err != nil {
		return nil, fmt.Errorf("parsing index.json of %s: %w", l.name, err)
	}
	return &index, nil
}

func (l store) find(index *v1.IndexManifest, tag string) (v1.Descriptor, error) {
	images := slices.DeleteFunc(slices.Clone(index.Manifests), func(d v1.Descriptor) bool {
		return !d.MediaType.IsImage() && !d.MediaType.IsIndex()
	})
	if tag == "" && len(images) == 1 {
		return images[0], nil
	}
	want := tag
	if want == "" {
		want = "latest"
	}
	e := &TagError{Dir: l.name, Tag: tag}
	for _, d := range images {
		name := d.Annotations[refName]
		if name == want || d.Digest.String() == want {
			return d, nil
		}
		e.Available = append(e.Available, name)
	}
	return v1.Descriptor{}, e
}

func (l store) choose(desc v1.Descriptor, p v1.Platform) (v1.Descriptor, error) {
	src, err := l.document(desc)
	if err != nil {
		return desc, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(src))
	if err != nil {
		return desc, fmt.Errorf("parsing index %s: %w", desc.Digest, err)
	}
	e := &TagError{Dir: l.name, Platform: p.String()}
	var fits []v1.Descriptor
	for _, d := range index.Manifests {
		if d.Platform == nil || !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
			continue
		}
		e.Available = append(e.Available, d.Platform.String())
		if d.Platform.Satisfies(p) && d.Platform.OS != "unknown" {
			fits = append(fits, d)
		}
	}
	if len(fits) == 1 || len(fits) > 1 && p.Architecture != "" {
		return fits[0], nil
	}
	return desc, e
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
		return nil, fmt.Errorf("reading %s: only sha256 is understood", desc.Digest)
	}
	f, err := l.fsys.Open(blobPath(desc.Digest))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", l.name, err)
	}
	return newVerifier(f, desc), nil
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
	img.manifest = m
	if img.rawConfig, err = l.document(m.Config); err != nil {
		return nil, err
	}
	if img.desc.MediaType == "" {
		img.desc.MediaType = types.OCIManifestSchema1
	}
	return img.whole()
}
