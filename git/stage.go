package git

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// stage holds blobs as files beside the tree that is being written. A blob
// that arrives in a pack is inflated once, to be hashed; put here at that
// moment, it needs only a rename when the trees have told where it belongs.
type stage struct {
	dir string

	mu    sync.Mutex
	sizes map[string]int64 // by path, for blobs that nobody claimed
}

func newStage(dir string) *stage { return &stage{dir: dir, sizes: make(map[string]int64)} }

func (s *stage) path(url string, h plumbing.Hash) string {
	return filepath.Join(s.dir, mirrorKey(url), h.String())
}

// sink returns what puts the blobs of one URL's packs here.
func (s *stage) sink(url string) blobSink {
	return func(h plumbing.Hash, content []byte) error {
		name := s.path(url, h)
		err := os.WriteFile(name, content, 0o644)
		if errors.Is(err, os.ErrNotExist) {
			err = errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, content, 0o644))
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sizes[name] = int64(len(content))
		return nil
	}
}

// claim returns the file of a blob, once: a second file of one content is
// written anew, for a link would let one change the other.
func (s *stage) claim(url string, h plumbing.Hash) (name string, size int64, ok bool) {
	name = s.path(url, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok = s.sizes[name]
	delete(s.sizes, name)
	return name, size, ok
}
