package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// use is this process's shared hold on a store's lock file, so that nobody
// cleans away what it was given. The descriptor is not an os.File, as package
// flock has: a finalizer would end the hold when the last Store value is
// garbage, while its paths are still in use. Nor does that package turn an
// exclusive lock into a shared one again.
type use struct {
	once sync.Once
	fd   int
}

// patience is how long opening waits for a run that cleans the store.
const patience = 10 * time.Second

// beginUse takes the shared hold. When nobody else has one, what is in tmp has
// no owner, and sweep is called before. A store that cannot be written and has
// no lock file is used without a hold: nobody can clean it either.
func beginUse(dir string, sweep func()) (*use, error) {
	path := filepath.Join(dir, "lock")
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	writable := err == nil
	if isReadOnly(err) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			return &use{fd: -1}, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store's lock %s: %w", path, err)
	}
	if writable && hold(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		sweep()
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := hold(fd, unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return &use{fd: fd}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking the store by %s: %w", path, err), unix.Close(fd))
		}
		if time.Since(began) > patience {
			return nil, errors.Join(fmt.Errorf("opening the store %s: another run is cleaning it; try again when it has ended", dir), unix.Close(fd))
		}
	}
}

func (u *use) end() (err error) {
	if u == nil || u.fd < 0 {
		return nil
	}
	u.once.Do(func() { err = unix.Close(u.fd) })
	return err
}

func hold(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// errLocked says that another run holds a key.
var errLocked = errors.New("held by another run")

// tryLock takes the advisory lock of one entry, or gives errLocked. Lock files
// stay where they are: removing one would let two runs lock two files of one
// name. The kernel drops the lock of a process that dies.
func (s Store) tryLock(kind string, key Key) (unlock func(), err error) {
	dir := filepath.Join(s.Dir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, explainWrite(s.Dir, err)
	}
	l := flock.New(filepath.Join(dir, kind+"-"+key.sum), flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o644))
	ok, err := l.TryLock()
	switch {
	case err != nil:
		return nil, explainWrite(s.Dir, fmt.Errorf("locking %s: %w", l.Path(), err))
	case !ok:
		return nil, errLocked
	}
	return func() { _ = l.Close() }, nil
}

// lock waits for the lock of one entry until ctx ends.
func (s Store) lock(ctx context.Context, kind string, key Key) (unlock func(), err error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		unlock, err := s.tryLock(kind, key)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if wait == 5*time.Millisecond {
			s.notef("waiting for another run that is making the same %s entry %.12s", kind, key.sum)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another run that makes %s entry %.12s: %w", kind, key.sum, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}
