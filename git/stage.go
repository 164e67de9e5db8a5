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
	room  int64                // in bytes, for more
	blobs map[string]blobState // by path, for blobs that nobody claimed
}

// blobState is what is known of a blob since it arrived.
type blobState struct {
	size    int64
	pointer bool
}

// stageRoom bounds what is put here before the trees have told what is needed:
// what goes beyond it is read from its pack later.
const stageRoom = 2 << 30

func newStage(dir string) *stage {
	return &stage{dir: dir, room: stageRoom, blobs: make(map[string]blobState)}
}

func (s *stage) path(url string, h plumbing.Hash) string {
	return filepath.Join(s.dir, mirrorKey(url), h.String())
}

// sink returns what puts the blobs of one URL's packs here.
func (s *stage) sink(url string) blobSink {
	return func(h plumbing.Hash, content []byte) error {
		if !s.take(int64(len(content))) {
			return nil
		}
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
		s.blobs[name] = blobState{int64(len(content)), isPointer(content)}
		return nil
	}
}

func (s *stage) take(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.room {
		return false
	}
	s.room -= size
	return true
}

// size is the size of a blob that is here.
func (s *stage) size(url string, h plumbing.Hash) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[s.path(url, h)]
	return b.size, ok
}

// claim returns the file of a blob, once: a second file of one content is
// written anew, for a link would let one change the other.
func (s *stage) claim(url string, h plumbing.Hash) (name string, b blobState, ok bool) {
	name = s.path(url, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok = s.blobs[name]
	delete(s.blobs, name)
	return name, b, ok
}
