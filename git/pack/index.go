package pack

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// Options are what Index tells and asks while it works; each may be nil.
type Options struct {
	// Progress is called as objects arrive, with the bytes so far.
	Progress func(objects, count int, bytes int64)
	// Blob is given every blob that is small and stored whole, from several
	// goroutines. It may not keep content.
	Blob func(h plumbing.Hash, content []byte) error
	// Base finds the object that a delta stands on when it is not in the pack
	// (a thin pack). It is added, so that what is stored stands alone. The
	// error is ErrNotFound when there is no such object.
	Base func(h plumbing.Hash) (plumbing.ObjectType, []byte, error)
}

// tempPrefix begins the names of files that no finished Index left.
const tempPrefix = "tmp_pack_"

// Index reads one pack from r to its end and stores it with its index in dir,
// under the names git gives them. Every object is inflated, hashed with
// collision detection and indexed as it arrives; deltas are resolved at the
// end. The files appear whole or not at all, the index last, and a pack that
// is there already is kept. Two Index of one dir at once must not be.
//
// The error is a *DamagedError when the pack is cut short or not sound, or
// has a delta on an object that neither it nor Base knows.
func Index(ctx context.Context, r io.Reader, dir string, opt Options) (err error) {
	if err := clean(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if rmErr := os.Remove(f.Name()); !errors.Is(rmErr, os.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}()
	s := &scanner{ctx: ctx, opt: opt, file: f, sum: sha1.New(), byOffset: make(map[int64]int)}
	s.in = bufio.NewReaderSize(&tee{r: r, s: s}, 1<<17)
	if err := s.scan(); err != nil {
		return s.damaged(err)
	}
	if s.count == 0 {
		return nil
	}
	if err := resolve(ctx, s); err != nil {
		return s.damaged(err)
	}
	return s.save(dir)
}

// clean removes what an Index that died left; the caller holds the lock.
func clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is one object of the pack. Its hash is known at once, unless it is a
// delta.
type entry struct {
	offset int64
	header header
	hash   plumbing.Hash
	kind   plumbing.ObjectType // with deltas resolved
}

// scanner goes once through the stream.
type scanner struct {
	ctx      context.Context //nolint:containedctx // lives as long as Index
	opt      Options
	file     *os.File
	in       *bufio.Reader
	read     int64 // from the stream into in
	sum      hash.Hash
	tail     []byte // the last 20 bytes read, which sum does not have yet
	readErr  error  // of the stream, other than its end
	writeErr error
	count    int
	entries  []entry
	byOffset map[int64]int
	checksum plumbing.Hash
}

// tee hands on the stream, and writes and hashes it.
type tee struct {
	r io.Reader
	s *scanner
}

func (t *tee) Read(p []byte) (int, error) {
	if err := t.s.ctx.Err(); err != nil {
		t.s.readErr = err
		return 0, err
	}
	n, err := t.r.Read(p)
	if n > 0 {
		t.s.read += int64(n)
		if _, werr := t.s.file.Write(p[:n]); werr != nil {
			t.s.writeErr = werr
			return 0, werr
		}
		t.s.hash(p[:n])
	}
	if err != nil && err != io.EOF {
		t.s.readErr = err
	}
	return n, err
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
	var trailer plumbing.Hash
	if _, err := io.ReadFull(s.in, trailer[:]); err != nil {
		return fmt.Errorf("reading its checksum: %w", noEOF(err))
	}
	if _, err := s.in.ReadByte(); err != io.EOF {
		if err == nil {
			err = errors.New("there is something after its end")
		}
		return err
	}
	copy(s.checksum[:], s.sum.Sum(nil))
	if s.checksum != trailer {
		return fmt.Errorf("its checksum is %s, and it says %s", s.checksum, trailer)
	}
	return nil
}

func (s *scanner) begin() error {
	var head [12]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return fmt.Errorf("reading its header: %w", noEOF(err))
	}
	version := be32(head[4:])
	if string(head[:4]) != "PACK" || version != 2 && version != 3 {
		return fmt.Errorf("it begins with %q", head[:8])
	}
	s.count = int(be32(head[8:]))
	return nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// objects reads every object and gives those that are whole to the hashers.
func (s *scanner) objects(workers *hashers) error {
	var z inflater
	s.entries = make([]entry, 0, min(s.count, 1<<16))
	for i := range s.count {
		at := s.offset()
		h, err := readHeader(s.in, at)
		if err != nil {
			return fmt.Errorf("reading object %d: %w", i+1, noEOF(err))
		}
		e := entry{offset: at, header: h, kind: h.Type}
		s.byOffset[at] = i
		switch {
		case h.Type.IsDelta():
			err = z.discard(s.in, h.Size)
			s.entries = append(s.entries, e)
		case h.Size > largeObject:
			e.hash, err = z.hashLarge(s.in, h)
			s.entries = append(s.entries, e)
		default:
			s.entries = append(s.entries, e)
			err = workers.take(&z, s.in, i, h)
		}
		if err != nil {
			return fmt.Errorf("reading object %d: %w", i+1, noEOF(err))
		}
		if s.opt.Progress != nil {
			s.opt.Progress(i+1, s.count, s.offset())
		}
	}
	return nil
}

// save gives the pack its name and writes its index.
func (s *scanner) save(dir string) error {
	idx := new(idxfile.Writer)
	if err := idx.OnHeader(uint32(s.count)); err != nil {
		return err
	}
	if err := s.checksums(func(e *entry, crc uint32) { idx.Add(e.hash, uint64(e.offset), crc) }); err != nil {
		return err
	}
	if err := idx.OnFooter(s.checksum); err != nil {
		return err
	}
	base := filepath.Join(dir, "pack-"+s.checksum.String())
	if _, err := os.Stat(base + ".idx"); err == nil {
		return nil
	}
	if err := errors.Join(s.file.Chmod(0o444), s.file.Sync()); err != nil {
		return err
	}
	if err := os.Rename(s.file.Name(), base+".pack"); err != nil {
		return err
	}
	return writeIndex(base+".idx", dir, idx)
}

func writeIndex(name, dir string, idx *idxfile.Writer) (err error) {
	index, err := idx.Index()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	_, err = idxfile.NewEncoder(w).Encode(index)
	if err = errors.Join(err, w.Flush(), f.Chmod(0o444), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
