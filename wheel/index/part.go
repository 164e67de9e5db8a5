package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// part is the file <final>.part that a download grows, and the hash of all
// that is in it. It is locked against other processes while it is open.
type part struct {
	f     *os.File
	lock  *flock.Flock
	final string
	hash  hash.Hash
	size  int64
}

// openPart opens and locks the part of final, waiting while another process
// has it.
func openPart(ctx context.Context, final string) (*part, error) {
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return nil, err
	}
	name := final + ".part"
	for {
		lock := flock.New(name, flock.SetFlag(os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW), flock.SetPermissions(0o644))
		if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", name, err), lock.Close())
		}
		// Who had the lock may have renamed or removed this very file: then
		// the lock is one on a file that nobody else will ever see.
		f, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err == nil {
			if same(f, lock) {
				return &part{f: f, lock: lock, final: final, hash: sha256.New()}, nil
			}
			err = f.Close()
		}
		if err := errors.Join(err, lock.Close()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

// same says whether the open file is the one that is locked.
func same(f *os.File, lock *flock.Flock) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	locked, err := lock.Stat()
	return err == nil && os.SameFile(open, locked)
}

// load takes in what an earlier run left.
func (p *part) load(ctx context.Context) error {
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n, err := p.f.Read(buf)
		p.hash.Write(buf[:n])
		p.size += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Write appends.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	return n, err
}

func (p *part) sum() string { return hex.EncodeToString(p.hash.Sum(nil)) }

// rewind empties the part.
func (p *part) rewind() error {
	p.hash.Reset()
	p.size = 0
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	_, err := p.f.Seek(0, io.SeekStart)
	return err
}

// commit gives the part its final name once its bytes are on disk.
func (p *part) commit() error {
	if err := p.f.Sync(); err != nil {
		return fmt.Errorf("writing %s: %w", p.final, err)
	}
	if err := os.Rename(p.f.Name(), p.final); err != nil {
		return err
	}
	return syncDir(filepath.Dir(p.final))
}

// discard removes the part.
func (p *part) discard() error { return os.Remove(p.f.Name()) }

// Close unlocks; what was not committed or discarded stays for the next run.
func (p *part) Close() error { return errors.Join(p.f.Close(), p.lock.Close()) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
