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
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
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
		return fmt.Sprintf("opening the store %s: the directory has other files and is not a store; give --store an empty or new directory", e.Dir)
	}
	return fmt.Sprintf("opening the store %s: it is a %q, but this sparkwheel writes %q; give --store another directory, or remove that one", e.Dir, e.Found, strings.TrimSpace(version))
}

// Open opens the store at dir and makes it when there is none. A directory that
// is a store of another version, or holds anything else, is a *VersionError. A
// store that cannot be written is opened all the same: what it has can be used.
// What dead runs left in tmp is removed. The store counts as in use, and no
// other process cleans it, until Close or the end of this process.
func Open(dir string) (Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Store{}, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	if err := settle(dir); err != nil {
		return Store{}, err
	}
	s := Store{Dir: dir}
	if s.use, err = beginUse(dir, s.sweep); err != nil {
		return Store{}, err
	}
	if err := os.MkdirAll(s.Scratch(), 0o755); err != nil && !isReadOnly(err) {
		return Store{}, fmt.Errorf("opening the store: %w", errors.Join(err, s.Close()))
	}
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

// Scratch is where a run may make what it removes itself. What it leaves when
// it is killed goes when the store is next opened with no other run in it.
func (s Store) Scratch() string { return s.Path("tmp") }

// Free is how many bytes may still be written at the store.
func (s Store) Free() (int64, error) {
	free, total := space(s.Dir)
	if total == 0 {
		return 0, fmt.Errorf("reading the free space at %s: the file system does not report it", s.Dir)
	}
	return free, nil
}

// Writable is nil when the store can be written, else a *ReadOnlyError or
// *FullError.
func (s Store) Writable() error {
	probe, err := os.CreateTemp(s.Scratch(), "probe-*")
	if err != nil {
		return explainWrite(s.Dir, err)
	}
	_, err = probe.WriteString("sparkwheel\n")
	if err = errors.Join(err, probe.Close(), os.Remove(probe.Name())); err != nil {
		return s.explain(probe.Name(), 0, err)
	}
	return nil
}

// settle makes dir a store of this version, or says why it is none.
func settle(dir string) error {
	found, err := readVersion(dir)
	if found || err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the store: %w", explainWrite(dir, err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	for _, e := range entries {
		if e.Name() == "version" || strings.HasPrefix(e.Name(), ".version") { // and on its way there
			continue
		}
		if e.Name() == "git" && onlyMirrors(filepath.Join(dir, e.Name())) {
			continue
		}
		// A run that began at the same moment writes the version first: when
		// there is still none, the files are somebody else's.
		if found, err := readVersion(dir); found || err != nil {
			return err
		}
		return &VersionError{dir, ""}
	}
	return writeFile(filepath.Join(dir, "version"), []byte(version))
}

// onlyMirrors reports whether a directory holds git mirrors and nothing else, as
// commands before this one made it without the rest of a store.
func onlyMirrors(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !mirrorName.MatchString(e.Name()) })
}

var mirrorName = regexp.MustCompile(`^[0-9a-f]{32}(\.history)?\.git(\.lock)?$`)

// readVersion finds the version file of a store; another's is a *VersionError.
func readVersion(dir string) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "version"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("opening the store: %w", err)
	case string(text) != version:
		return false, &VersionError{dir, firstLine(text)}
	}
	return true, nil
}

// firstLine is what to show of a file that may hold anything; never "".
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return cmp.Or(line[:min(len(line), 80)], "store without a version")
}

// writeFile puts content at path, whole or not at all.
func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := renameio.WriteFile(path, content, 0o644, renameio.WithTempDir(dir), renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("writing %s: %w", path, explainWrite(dir, err))
	}
	return nil
}
