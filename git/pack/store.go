package pack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// Store reads objects from the packs of a directory as they were when it was
// opened: packs that come or go later do not concern it. Its methods may be
// called from any number of goroutines. Close it.
type Store struct {
	packs []*file
	bases baseCache
	pool  sync.Pool // of *reader
}

// file is one pack with its index.
type file struct {
	f     *os.File
	index *idxfile.MemoryIndex
}

// reader is what reading one object needs, used again and again.
type reader struct {
	in  *bufio.Reader
	z   inflater
	buf []byte // for writeWhole
}

// ErrNotFound says that no pack has an object.
var ErrNotFound = errors.New("object not found")

// Open opens every pack of dir that has an index. The error is a
// *DamagedError when one is not sound.
func Open(dir string) (*Store, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := new(Store)
	s.pool.New = func() any { return &reader{in: bufio.NewReaderSize(nil, 1<<14)} }
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".idx")
		if !ok || !strings.HasPrefix(name, "pack-") {
			continue
		}
		p, err := openFile(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.packs = append(s.packs, p)
	}
	return s, nil
}

func openFile(base string) (p *file, err error) {
	f, err := os.Open(base + ".pack")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &DamagedError{Pack: base + ".pack", Err: err}
		}
		return nil, err
	}
	index, err := readIndex(base + ".idx")
	if err != nil {
		return nil, errors.Join(&DamagedError{Pack: base + ".pack", Err: err}, f.Close())
	}
	return &file{f: f, index: index}, nil
}

func readIndex(name string) (_ *idxfile.MemoryIndex, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(bytes.NewReader(raw)).Decode(index); err != nil {
		return nil, fmt.Errorf("reading its index: %w", err)
	}
	return index, nil
}

// Close closes the packs.
func (s *Store) Close() error {
	var errs []error
	for _, p := range s.packs {
		errs = append(errs, p.f.Close())
	}
	return errors.Join(errs...)
}

// find returns the place of an object.
func (s *Store) find(h plumbing.Hash) (base, bool) {
	for _, p := range s.packs {
		if at, err := p.index.FindOffset(h); err == nil {
			return base{p, at}, true
		}
	}
	return base{}, false
}

// Has reports whether a pack names the object.
func (s *Store) Has(h plumbing.Hash) bool {
	_, ok := s.find(h)
	return ok
}

// Prefix lists the objects whose name begins with the lower-case hex digits,
// sorted.
func (s *Store) Prefix(hex string) ([]plumbing.Hash, error) {
	var found []plumbing.Hash
	for _, p := range s.packs {
		entries, err := p.index.Entries()
		if err != nil {
			return nil, err
		}
		for {
			e, err := entries.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(e.Hash.String(), hex) {
				found = append(found, e.Hash)
			}
		}
	}
	slices.SortFunc(found, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(found), nil
}

// Read returns an object. Its content is hashed and compared with its name, so
// what comes back is what was asked for; a *DamagedError says that it is not.
// The error is ErrNotFound when no pack has it.
func (s *Store) Read(h plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	at, ok := s.find(h)
	if !ok {
		return 0, nil, ErrNotFound
	}
	kind, content, err := s.content(at)
	if err == nil && hashOf(kind, content) != h {
		err = fmt.Errorf("object %s has different content", h)
	}
	if err != nil {
		return 0, nil, &DamagedError{Pack: at.p.f.Name(), Err: noEOF(err)}
	}
	return kind, content, nil
}

// content reads the object at a place: down the chain of deltas to what stands
// whole, and up again.
func (s *Store) content(at base) (plumbing.ObjectType, []byte, error) {
	r := s.pool.Get().(*reader)
	defer s.pool.Put(r)
	var deltas [][]byte
	var places []base
	for {
		if kind, content, ok := s.bases.get(at); ok {
			return s.up(kind, content, deltas, places)
		}
		h, data, err := r.raw(at)
		if err != nil {
			return 0, nil, err
		}
		if !h.Type.IsDelta() {
			if len(deltas) > 0 {
				s.bases.put(at, h.Type, data)
			}
			return s.up(h.Type, data, deltas, places)
		}
		if len(deltas) == maxChain {
			return 0, nil, fmt.Errorf("a chain of more than %d deltas", maxChain)
		}
		deltas, places = append(deltas, data), append(places, at)
		next := base{at.p, h.Base}
		if h.Type == plumbing.REFDeltaObject {
			if next.offset, err = at.p.index.FindOffset(h.Ref); err != nil {
				return 0, nil, fmt.Errorf("the base %s of a delta: %w", h.Ref, ErrNotFound)
			}
		}
		at = next
	}
}

// up applies deltas, the last first, and keeps what others may stand on.
func (s *Store) up(kind plumbing.ObjectType, content []byte, deltas [][]byte, places []base) (plumbing.ObjectType, []byte, error) {
	for i, delta := range slices.Backward(deltas) {
		var err error
		if content, err = apply(content, delta); err != nil {
			return 0, nil, err
		}
		if i > 0 {
			s.bases.put(places[i], kind, content)
		}
	}
	return kind, content, nil
}

// raw reads what stands at a place, a delta as it is.
func (r *reader) raw(at base) (header, []byte, error) {
	h, err := r.seek(at)
	if err != nil {
		return h, nil, err
	}
	data, err := r.whole(at, h.Size, nil)
	return h, data, err
}

// whole reads the data of the object whose header was read: see inflater.whole.
func (r *reader) whole(at base, size int64, buf []byte) ([]byte, error) {
	if size <= largeObject && isStored(r.in) {
		content, err := readStored(r.in, size, buf)
		if !errors.Is(err, errNotStored) {
			return content, err
		}
		if _, err := r.seek(at); err != nil {
			return nil, err
		}
	}
	return r.z.whole(r.in, size, buf)
}

func (r *reader) seek(at base) (header, error) {
	r.in.Reset(io.NewSectionReader(at.p.f, at.offset, 1<<62))
	return readHeader(r.in, at.offset)
}
