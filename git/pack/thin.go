package pack

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// complete adds the objects that deltas stand on and the pack lacks, after its
// last object, and makes its header and checksum right again.
func (r *resolver) complete(ctx context.Context) error {
	missing := make([]plumbing.Hash, 0, len(r.byRef))
	for h := range r.byRef {
		missing = append(missing, h)
	}
	slices.SortFunc(missing, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	for _, h := range missing {
		if len(r.byRef[h]) == 0 {
			continue // another of the missing ones brought it
		}
		kind, content, err := r.s.opt.Base(h)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			r.s.writeErr = err
			return err
		}
		if err := r.s.add(h, kind, content); err != nil {
			r.s.writeErr = err
			return err
		}
		if err := r.tree(ctx, len(r.s.entries)-1, content); err != nil {
			return err
		}
	}
	if err := r.s.seal(); err != nil {
		r.s.writeErr = err
		return err
	}
	return nil
}

// add writes one object over the checksum at the end of the file.
func (s *scanner) add(h plumbing.Hash, kind plumbing.ObjectType, content []byte) error {
	head := header{Type: kind, Size: int64(len(content))}
	var out bytes.Buffer
	w := newWriter(&out)
	if _, err := w.begin(head); err != nil {
		return err
	}
	z := zlib.NewWriter(w)
	_, err := z.Write(content)
	if err := errors.Join(err, z.Close(), w.w.Flush()); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(out.Bytes(), s.out.size); err != nil {
		return err
	}
	s.entries = append(s.entries, entry{offset: s.out.size, header: head, crc: w.crc, hash: h, kind: kind})
	s.out.size += w.size
	return nil
}

// seal writes the number of objects and the checksum anew.
func (s *scanner) seal() error {
	s.count = len(s.entries)
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(s.count))
	if _, err := s.file.WriteAt(count[:], 8); err != nil {
		return err
	}
	sum := sha1.New()
	if _, err := io.Copy(sum, io.NewSectionReader(s.file, 0, s.out.size)); err != nil {
		return err
	}
	copy(s.checksum[:], sum.Sum(nil))
	if _, err := s.file.WriteAt(s.checksum[:], s.out.size); err != nil {
		return err
	}
	return s.file.Truncate(s.out.size + sha1.Size)
}
