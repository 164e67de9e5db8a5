package layer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The files of a Blob's directory; the second is written last and makes it whole.
const (
	blobFile = "blob"
	metaFile = "layer.json"
)

// Blob is a finished layer on disk. It is a v1.Layer, safe for concurrent use,
// and holds no file open.
type Blob struct {
	dir  string
	meta meta
	// tar opens the tar that the blob was made of; nil inflates the blob.
	tar func() (io.ReadCloser, error)
}

var _ v1.Layer = (*Blob)(nil)

type meta struct {
	Compression string  `json:"compression"`
	Digest      v1.Hash `json:"digest"`
	Size        int64   `json:"size"`
	DiffID      v1.Hash `json:"diff_id"`
	TarSize     int64   `json:"tar_size"`
	Files       int     `json:"files"`
	Comment     string  `json:"comment,omitempty"`
}

// ErrNoBlob says that a directory holds no whole layer; Write makes one.
var ErrNoBlob = errors.New("no layer here")

// Open returns what Write left in dir. A directory without a whole layer, one
// left by an interrupted Write or a blob of another length, is ErrNoBlob; the
// blob's bytes are not hashed.
func Open(dir string) (*Blob, error) {
	src, err := os.ReadFile(filepath.Join(dir, metaFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening layer %s: %w", dir, ErrNoBlob)
	}
	if err != nil {
		return nil, fmt.Errorf("opening layer: %w", err)
	}
	b := &Blob{dir: dir}
	if err := json.Unmarshal(src, &b.meta); err != nil {
		return nil, fmt.Errorf("opening layer %s: %w: %w", dir, ErrNoBlob, err)
	}
	info, err := os.Stat(b.Path())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening layer %s: %w", dir, ErrNoBlob)
	}
	if err != nil {
		return nil, fmt.Errorf("opening layer: %w", err)
	}
	if info.Size() != b.meta.Size {
		return nil, fmt.Errorf("opening layer %s: %w: blob has %d bytes, not %d", dir, ErrNoBlob, info.Size(), b.meta.Size)
	}
	return b, nil
}

// Path is the compressed blob on disk: read it or link to it, never change it.
func (b *Blob) Path() string { return filepath.Join(b.dir, blobFile) }

// Comment is that of the Options it was written with.
func (b *Blob) Comment() string { return b.meta.Comment }

// Files counts the tar's entries, directories included.
func (b *Blob) Files() int { return b.meta.Files }

// Digest is the SHA-256 of the compressed bytes.
func (b *Blob) Digest() (v1.Hash, error) { return b.meta.Digest, nil }

// DiffID is the SHA-256 of the tar.
func (b *Blob) DiffID() (v1.Hash, error) { return b.meta.DiffID, nil }

// Size is that of the compressed bytes.
func (b *Blob) Size() (int64, error) { return b.meta.Size, nil }

// UncompressedSize is that of the tar.
func (b *Blob) UncompressedSize() (int64, error) { return b.meta.TarSize, nil }

// MediaType is the OCI one for the compression.
func (b *Blob) MediaType() (types.MediaType, error) { return mediaType(b.meta.Compression), nil }

// Compressed opens the blob; the caller closes it.
func (b *Blob) Compressed() (io.ReadCloser, error) {
	f, err := os.Open(b.Path())
	if err != nil {
		return nil, fmt.Errorf("reading layer: %w", err)
	}
	return f, nil
}

// WithTar is the same layer, whose Uncompressed opens the tar by open: where the
// tar is at hand, to inflate the blob would be work for nothing. What open gives
// must fail at its end unless it was that tar.
func (b *Blob) WithTar(open func() (io.ReadCloser, error)) *Blob {
	c := *b
	c.tar = open
	return &c
}

// Uncompressed opens the tar in the blob; the caller closes it.
func (b *Blob) Uncompressed() (io.ReadCloser, error) {
	if b.tar != nil {
		return b.tar()
	}
	f, err := b.Compressed()
	if err != nil {
		return nil, err
	}
	return decompressed(b.meta.Compression, f)
}

// Descriptor is what a manifest says of the layer, with the annotations below.
func (b *Blob) Descriptor() (*v1.Descriptor, error) {
	d := &v1.Descriptor{MediaType: mediaType(b.meta.Compression), Size: b.meta.Size, Digest: b.meta.Digest}
	notes := make(map[string]string)
	if b.meta.Comment != "" {
		notes[CommentAnnotation] = b.meta.Comment
	}
	if b.meta.Files > 0 {
		notes[FilesAnnotation] = strconv.Itoa(b.meta.Files)
	}
	if len(notes) > 0 {
		d.Annotations = notes
	}
	return d, nil
}

// The annotations of a layer's descriptor.
const (
	// CommentAnnotation holds Options.Comment: of a layer of wheels their file
	// names, separated by spaces.
	CommentAnnotation = "io.github.sparkwheel.wheels"
	// FilesAnnotation counts the layer's entries, which readers of a manifest
	// could not know without fetching it.
	FilesAnnotation = "io.github.sparkwheel.files"
)
