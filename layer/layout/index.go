package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
)

// setTag makes desc the one descriptor of the index with its tag, then removes
// the blobs that only those before it needed.
func setTag(dir, tag string, desc v1.Descriptor) error {
	l := store{os.DirFS(dir), dir}
	index, err := l.index()
	if errors.Is(err, fs.ErrNotExist) {
		index, err = &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}, nil
	}
	if err != nil {
		return err
	}
	var replaced []v1.Descriptor
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		if d.Annotations[refName] != tag {
			return false
		}
		replaced = append(replaced, d)
		return true
	})
	index.Manifests = append(index.Manifests, desc)
	err = atomicfile.Write(filepath.Join(dir, "index.json"), func(w io.Writer) error {
		return json.NewEncoder(w).Encode(index)
	})
	if err != nil {
		return err
	}
	return l.prune(dir, replaced, index.Manifests)
}

// prune removes what gone needed and kept does not. A layout with a document
// that cannot be read keeps all: what that one needs is not known.
func (l store) prune(dir string, gone, kept []v1.Descriptor) error {
	needed, garbage := make(map[v1.Hash]bool), make(map[v1.Hash]bool)
	if l.reach(kept, needed, 0) != nil || l.reach(gone, garbage, 0) != nil {
		return nil //nolint:nilerr // what cannot be followed is kept
	}
	for h := range garbage {
		if needed[h] {
			continue
		}
		err := os.Remove(filepath.Join(dir, filepath.FromSlash(blobPath(h))))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// errTooDeep ends a walk of indexes that name each other.
var errTooDeep = errors.New("indexes are nested too deeply")

// reach adds all blobs that the descriptors need to found.
func (l store) reach(descs []v1.Descriptor, found map[v1.Hash]bool, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	for _, d := range descs {
		if found[d.Digest] {
			continue
		}
		found[d.Digest] = true
		if !d.MediaType.IsIndex() && !d.MediaType.IsImage() {
			continue
		}
		src, err := l.document(d)
		if err != nil {
			return err
		}
		if d.MediaType.IsIndex() {
			index, err := v1.ParseIndexManifest(bytes.NewReader(src))
			if err != nil {
				return err
			}
			if err := l.reach(index.Manifests, found, depth+1); err != nil {
				return err
			}
			continue
		}
		m, err := v1.ParseManifest(bytes.NewReader(src))
		if err != nil {
			return err
		}
		if err := l.reach(append(m.Layers, m.Config), found, depth+1); err != nil {
			return err
		}
	}
	return nil
}
