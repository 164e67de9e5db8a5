package pack

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// entry is one object of the pack. Its hash is known at once, unless it is a
// delta.
type entry struct {
	offset int64  // in the file
	header header // as it is in the file
	base   int    // place in entries of an OFS_DELTA's base
	crc    uint32
	hash   plumbing.Hash
	kind   plumbing.ObjectType // with deltas resolved
}

// scanner goes once through the stream and writes the file.
type scanner struct {
	ctx      context.Context //nolint:containedctx // lives as long as Index
	opt      Options
	file     *os.File
	out      *writer // to file
	in       *bufio.Reader
	read     int64 // from the stream into in
	window   window
	passing  bool // on to out what the window holds, before it grows
	sum      hash.Hash
	tail     []byte // the last 20 bytes read, which sum does not have yet
	readErr  error  // of the stream, other than its end
	writeErr error
	count    int
	entries  []entry
	byOffset map[int64]int // place in entries by place in the stream
	checksum plumbing.Hash // of the file
}

// tee hands on the stream, hashes it and keeps what a window shows of it.
type tee struct {
	r io.Reader
	s *scanner
}

func (t *tee) Read(p []byte) (int, error) {
	if err := t.s.ctx.Err(); err != nil {
		t.s.readErr = err
		return 0, err
	}
	if err := t.s.pass(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	if n > 0 {
		t.s.read += int64(n)
		t.s.window.add(p[:n])
		t.s.hash(p[:n])
	}
	if err != nil && err != io.EOF {
		t.s.readErr = err
	}
	return n, err
}

// pass writes on what was read of an object that is kept as it came. One that
// takes more bytes than it holds is too, so that the window stays small.
func (s *scanner) pass() error {
	came := s.window.until(s.offset())
	if !s.passing && len(came) <= 2*largeObject {
		return nil
	}
	s.passing = true
	if _, err := s.out.Write(came); err != nil {
		s.writeErr = err
		return err
	}
	s.window.drop(s.offset())
	return nil
}

// hash keeps back the last 20 bytes, which may be the pack's own checksum.
func (s *scanner) hash(p []byte) {
	s.tail = append(s.tail, p...)
	if n := len(s.tail) - sha1.Size; n > 0 {
		s.sum.Write(s.tail[:n])
		s.tail = append(s.tail[:0], s.tail[n:]...)
	}
}

// damaged tells a bad pack from a bad network or a full disk.
func (s *scanner) damaged(err error) error {
	if s.writeErr != nil {
		return s.writeErr
	}
	if s.readErr != nil {
		return s.readErr
	}
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	return &DamagedError{Err: noEOF(err)}
}

func (s *scanner) offset() int64 { return s.read - int64(s.in.Buffered()) }

func (s *scanner) scan() error {
	if err := s.begin(); err != nil {
		return err
	}
	workers := newHashers(s.ctx, s.opt.Blob)
	err := s.objects(workers)
	hashes, werr := workers.wait()
	if werr != nil {
		s.writeErr = werr // a sink that fails is no fault of the pack
		return werr
	}
	if err != nil {
		return err
	}
	for _, h := range hashes {
		s.entries[h.index].hash = h.hash
	}
	if err := s.end(); err != nil {
		return err
	}
	if s.checksum, err = s.out.end(); err != nil {
		s.writeErr = err
	}
	return err
}

// end reads the checksum, which must be right and the end.
func (s *scanner) end() error {
	var trailer, sum plumbing.Hash
	if _, err := io.ReadFull(s.in, trailer[:]); err != nil {
		return fmt.Errorf("reading its checksum: %w", noEOF(err))
	}
	if _, err := s.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is data after its end")
		}
		return err
	}
	copy(sum[:], s.sum.Sum(nil))
	if sum != trailer {
		return fmt.Errorf("its checksum is %s, but it says %s", sum, trailer)
	}
	return nil
}

func (s *scanner) begin() error {
	var head [12]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return fmt.Errorf("reading its header: %w", noEOF(err))
	}
	version, count := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != "PACK" || version != 2 && version != 3 {
		return fmt.Errorf("it starts with %q", head[:8])
	}
	s.count = int(count)
	if err := s.out.start(version, count); err != nil {
		s.writeErr = err
		return err
	}
	return nil
}

// objects reads every object, writes it and gives those that are whole to the
// hashers.
func (s *scanner) objects(workers *hashers) error {
	var z inflater
	s.entries = make([]entry, 0, min(s.count, 1<<16))
	for i := range s.count {
		if err := s.object(&z, i, workers); err != nil {
			return fmt.Errorf("reading object %d: %w", i+1, noEOF(err))
		}
		if s.opt.Progress != nil {
			s.opt.Progress(i+1, s.count, s.offset())
		}
	}
	return nil
}

func (s *scanner) object(z *inflater, i int, workers *hashers) error {
	at := s.offset()
	h, err := readHeader(s.in, at)
	if err != nil {
		return err
	}
	base, ok := s.byOffset[h.Base]
	if h.Type == plumbing.OFSDeltaObject {
		if !ok {
			return errors.New("a delta's base is not an object of the pack")
		}
		h.Base = s.entries[base].offset
	}
	offset, err := s.out.begin(h)
	if err != nil {
		s.writeErr = err
		return err
	}
	s.window.drop(s.offset())
	s.passing = h.Size > largeObject
	s.byOffset[at] = i
	e := entry{offset: offset, header: h, base: base, kind: h.Type}
	whole := !h.Type.IsDelta() && h.Size <= largeObject
	var content []byte
	switch {
	case whole:
		content, err = workers.inflate(z, s.in, h)
	case h.Type.IsDelta():
		err = z.discard(s.in, h.Size)
	default:
		e.hash, err = z.hashLarge(s.in, h)
	}
	if err != nil {
		return err
	}
	if err := s.keep(content, whole && h.Type == plumbing.BlobObject); err != nil {
		s.writeErr = err
		return err
	}
	e.crc = s.out.crc
	s.entries = append(s.entries, e)
	if whole {
		workers.hash(i, h, content)
	}
	return nil
}

// keep writes the data of an object: what is left of it as it came, or, of a
// blob that is there whole, stored.
func (s *scanner) keep(content []byte, blob bool) error {
	came := s.window.until(s.offset())
	s.window.drop(s.offset())
	if blob && !s.passing && storable(content, came) {
		return writeStored(s.out, content)
	}
	s.passing = false
	_, err := s.out.Write(came)
	return err
}
