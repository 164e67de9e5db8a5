package pack

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
)

// Size returns the size of an object's content as its pack states it: of a
// delta what it makes. Only the object's first bytes are read; that the rest
// keeps to it is checked when it is. The error is ErrNotFound when no pack has
// the object.
func (s *Store) Size(h plumbing.Hash) (int64, error) {
	at, ok := s.find(h)
	if !ok {
		return 0, ErrNotFound
	}
	size, err := s.size(at)
	if err != nil {
		return 0, &DamagedError{Pack: at.p.f.Name(), Err: noEOF(err)}
	}
	return size, nil
}

func (s *Store) size(at base) (int64, error) {
	var first [48]byte // more than any header: a checkout asks for thousands
	n, err := at.p.f.ReadAt(first[:], at.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	h, err := readHeader(bytes.NewReader(first[:n]), at.offset)
	if err != nil || !h.Type.IsDelta() {
		return h.Size, err
	}
	r := s.pool.Get().(*reader)
	defer s.pool.Put(r)
	if _, err := r.seek(at); err != nil {
		return 0, err
	}
	if err := r.z.reset(r.in); err != nil {
		return 0, err
	}
	// Two numbers, seven bits a byte: the size of the base, then the result's.
	var head [20]byte
	n, err = io.ReadFull(r.z.z, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	_, rest, err := deltaSize(head[:n])
	if err != nil {
		return 0, err
	}
	size, _, err := deltaSize(rest)
	return size, err
}

// deltaSize reads one of the sizes that a delta begins with.
func deltaSize(b []byte) (size int64, rest []byte, err error) {
	for i, c := range b {
		if i > 8 {
			break
		}
		size |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return size, b[i+1:], nil
		}
	}
	return 0, nil, errors.New("a delta's size is truncated or too large")
}
