package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Fault is an entry that is not what its name says.
type Fault struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// Verify reads every byte of the blobs and of the entries, and gives what is
// damaged. mirror does so for a bare repository; progress, when not nil, hears
// of the bytes read. The store is not changed.
func (s Store) Verify(ctx context.Context, mirror func(ctx context.Context, dir string) error, progress func(done, total int64)) ([]Fault, error) {
	entries, err := s.Entries(ctx)
	if err != nil {
		return nil, fmt.Errorf("verifying the store %s: %w", s.Dir, err)
	}
	var done, total int64
	for _, e := range entries {
		total += e.Bytes
	}
	var faults []Fault
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := s.verify(ctx, e.ID, mirror); err != nil {
			faults = append(faults, Fault{e.ID, err.Error()})
		}
		if done += e.Bytes; progress != nil {
			progress(done, total)
		}
	}
	return faults, nil
}

func (s Store) verify(ctx context.Context, id string, mirror func(ctx context.Context, dir string) error) error {
	if kind, key, ok := parseID(id); ok {
		_, _, err := s.check(ctx, kind, key, true)
		return err
	}
	path := filepath.Join(s.Dir, filepath.FromSlash(id))
	if strings.HasPrefix(id, "blobs/"+compressed) {
		return verifyCompressed(ctx, path)
	}
	want, ok := strings.CutPrefix(id, "blobs/sha256/")
	if !ok {
		return mirror(ctx, path)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, errors.New("it is not a file"))
	}
	got, err := sum(ctx, path)
	if err == nil && got != want {
		err = fmt.Errorf("the content has the sha256 %s", got)
	}
	return err
}

// Remove takes damaged entries away, so that the next run brings or makes them
// again. Like Clean, it needs the store alone.
func (s Store) Remove(ids ...string) error {
	release, err := s.alone()
	if err != nil {
		return fmt.Errorf("cleaning the store %s: %w", s.Dir, err)
	}
	defer release()
	for _, id := range ids {
		if err := s.discard(id); err != nil {
			return fmt.Errorf("cleaning the store %s: %w", s.Dir, explainWrite(s.Dir, err))
		}
	}
	return nil
}
