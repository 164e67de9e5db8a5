package pack

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
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
	// Blob is given every blob that is small and came whole, from several
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
// end. Blobs that came whole are kept without compression, all else as it came,
// so the pack may be some times larger than what arrived, at most 16 times.
// The files appear whole or not at all, the index last, and a pack that
// is there already is kept. Two Index of one dir at once must not be.
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
	s := &scanner{ctx: ctx, opt: opt, file: f, out: newWriter(f), sum: sha1.New(), byOffset: make(map[int64]int)}
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

// save gives the pack its name and writes its index.
func (s *scanner) save(dir string) error {
	idx := new(idxfile.Writer)
	if err := idx.OnHeader(uint32(s.count)); err != nil {
		return err
	}
	for _, e := range s.entries {
		idx.Add(e.hash, uint64(e.offset), e.crc)
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
