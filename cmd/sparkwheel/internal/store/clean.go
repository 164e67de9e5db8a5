package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Keep says what cleaning leaves.
type Keep struct {
	// Needed holds IDs as Entries gives them; all else goes. When it is nil, all
	// that had to be brought from elsewhere (blobs, mirrors, tools) stays.
	Needed map[string]bool
	// UsedSince spares what was used at or after that time. Zero spares nothing.
	UsedSince time.Time
}

func (k Keep) keeps(e Entry) bool {
	switch {
	case k.Needed[e.ID]:
		return true
	case !k.UsedSince.IsZero() && !e.Used.Before(k.UsedSince):
		return true
	case k.Needed == nil:
		return !strings.HasPrefix(e.ID, Stage+"/") && !strings.HasPrefix(e.ID, Rootfs+"/") && !strings.HasPrefix(e.ID, "blobs/"+compressed)
	}
	return false
}

// ErrInUse says that another run has the store open.
var ErrInUse = errors.New("another run has the store open; try again when it has finished")

// Clean removes what keep does not keep, what is damaged, and what dead runs
// left, and gives what was removed. It needs the store alone: while another
// process has it open, the error is ErrInUse. With dry, nothing is removed.
func (s Store) Clean(ctx context.Context, keep Keep, dry bool) ([]Entry, error) {
	release, err := s.alone()
	if err != nil {
		return nil, fmt.Errorf("cleaning the store %s: %w", s.Dir, err)
	}
	defer release()
	entries, err := s.Entries(ctx)
	if err != nil {
		return nil, fmt.Errorf("cleaning the store %s: %w", s.Dir, err)
	}
	left, err := s.leftovers(ctx)
	if err != nil {
		return nil, fmt.Errorf("cleaning the store %s: %w", s.Dir, err)
	}
	left = slices.DeleteFunc(left, keep.spares)
	var removed []Entry
	for i, e := range slices.Concat(left, entries) {
		if ctx.Err() != nil {
			return removed, context.Cause(ctx)
		}
		if i >= len(left) && keep.keeps(e) && !s.damaged(ctx, e.ID) {
			continue
		}
		if !dry {
			if err := s.discard(e.ID); err != nil {
				return removed, fmt.Errorf("cleaning the store %s: %w", s.Dir, explainWrite(s.Dir, err))
			}
		}
		removed = append(removed, e)
	}
	if !dry {
		s.sweep()
		return removed, s.sweepLocks()
	}
	return removed, nil
}

// alone turns this process's hold on the store into one that no other shares.
func (s Store) alone() (release func(), err error) {
	if s.use == nil || s.use.fd < 0 {
		return nil, &ReadOnlyError{s.Dir, fs.ErrPermission}
	}
	if err := hold(s.use.fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			// The shared hold may be lost on the way; it is taken back at once.
			return nil, errors.Join(ErrInUse, hold(s.use.fd, unix.LOCK_SH))
		}
		return nil, err
	}
	return func() { _ = hold(s.use.fd, unix.LOCK_SH) }, nil
}

// damaged is whether an entry of Do's kinds is not as it was made.
func (s Store) damaged(ctx context.Context, id string) bool {
	kind, key, ok := parseID(id)
	if !ok {
		return false
	}
	_, _, err := s.check(ctx, kind, key, false)
	return err != nil
}

// parseID reads the ID of an entry that Do made.
func parseID(id string) (kind string, key Key, ok bool) {
	kind, name, _ := strings.Cut(id, "/")
	if kind != Stage && kind != Rootfs && kind != Tools {
		return "", Key{}, false
	}
	key, err := DigestKey(name)
	return kind, key, err == nil
}

// discard removes an entry so that no half of it is ever at its name.
func (s Store) discard(id string) error {
	trash := filepath.Join(s.Scratch(), "trash")
	if err := errors.Join(os.MkdirAll(s.Scratch(), 0o755), sandbox.RemoveAll(trash)); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(s.Dir, filepath.FromSlash(id)), trash); err != nil {
		return err
	}
	return sandbox.RemoveAll(trash)
}

// sweepLocks removes the lock files: nobody else has the store, so no one can
// be about to take one.
func (s Store) sweepLocks() error {
	return sandbox.RemoveAll(s.Path("locks"))
}
