// Package store keeps what sparkwheel brought and made: entries that are whole
// or absent, shared by any number of runs at once. Open one, then Do.
//
//	git/<url-hash>.git    bare mirrors         blobs/sha256/<hex>  downloaded and written blobs
//	rootfs/<digest>/      unpacked bases       stage/<key>/        outputs of stages
//	tools/<digest>/       uv and friends       ccache/             compiler cache
//
// An entry of rootfs, stage or tools is a directory with entry.json, which says
// what it was made from and what stands in it, and files/, which is the thing.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// version is the layout of the store; another version is another store.
const version = "sparkwheel store 1\n"

// Store is an open store. It is a value and may be used by any number of
// goroutines and processes at once.
type Store struct {
	Dir string // absolute

	use  *use
	note func(format string, args ...any)
}

// VersionError says that a directory is no store of this version.
type VersionError struct {
	Dir, Found string // Found is "" when the directory holds something else
}

func (e *VersionError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("opening the store %s: the directory holds other files and is no store; give --store an empty or new directory", e.Dir)
	}
	return fmt.Sprintf("opening the store %s: it is a %q, this sparkwheel writes %q; give --store another directory, or remove that one", e.Dir, e.Found, strings.TrimSpace(version))
}

// Open opens the store at dir and makes it when there is none. A directory that
// is a store of another version, or holds anything else, is a *VersionError. A
// store that cannot be written is opened all the same: what it has can be used.
// The store counts as in use, and no other process cleans it, until Close or
// the end of this process.
func Open(dir string) (Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Store{}, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	if err := settle(dir); err != nil {
		return Store{}, err
	}
	use, err := beginUse(dir)
	if err != nil {
		return Store{}, err
	}
	s := Store{Dir: dir, use: use}
	s.sweep()
	return s, nil
}

// Close ends this process's use of the store.
func (s Store) Close() error { return s.use.end() }

// Noting is the same store, telling note what a user should know: a damaged
// entry that is made again, a wait for another run.
func (s Store) Noting(note func(format string, args ...any)) Store {
	s.note = note
	return s
}

func (s Store) notef(format string, args ...any) {
	if s.note != nil {
		s.note(format, args...)
	}
}

// Path is a place in the store: Path("git"), Path("ccache"), Path("logs", run).
func (s Store) Path(kind string, elem ...string) string {
	return filepath.Join(append([]string{s.Dir, kind}, elem...)...)
}

// Blobs is the directory of blobs, each at sha256/<hex> below it.
func (s Store) Blobs() string { return s.Path("blobs") }

// settle makes dir a store of this version, or says why it is none.
func settle(dir string) error {
	found, err := os.ReadFile(filepath.Join(dir, "version"))
	switch {
	case err == nil && string(found) == version:
		return nil
	case err == nil:
		return &VersionError{dir, firstLine(found)}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("opening the store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the store: %w", explainWrite(dir, err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	for _, e := range entries {
		// A run that began at the same moment may have left these.
		if e.Name() != "lock" && !strings.HasPrefix(e.Name(), "version") {
			return &VersionError{dir, ""}
		}
	}
	return writeFile(filepath.Join(dir, "version"), []byte(version))
}

// firstLine is what to show of a file that may hold anything.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line[:min(len(line), 80)]
}

// writeFile puts content at path, whole or not at all.
func writeFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, explainWrite(filepath.Dir(path), err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", path, err), f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}
