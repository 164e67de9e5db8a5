package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Usage is what one kind of thing takes of the disk.
type Usage struct {
	Kind    string `json:"kind"`
	Entries int    `json:"entries"` // as Entries counts them; files for logs and the compiler cache
	Bytes   int64  `json:"bytes"`   // on the disk; what is linked twice counts once
}

// Usage measures every kind that the store holds, by name.
func (s Store) Usage(ctx context.Context) ([]Usage, error) {
	top, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	var all []Usage
	seen := map[uint64]bool{}
	for _, e := range top {
		if !e.IsDir() || e.Name() == "locks" {
			continue
		}
		files, bytes, err := onDisk(ctx, s.Path(e.Name()), seen)
		if err != nil {
			return nil, err
		}
		u := Usage{Kind: e.Name(), Entries: files, Bytes: bytes}
		if slices.Contains(kept, u.Kind) || u.Kind == "git" {
			u.Entries = len(s.names(u.Kind))
		}
		all = append(all, u)
	}
	return all, nil
}

// onDisk counts the files below dir and the bytes that the disk gives them.
func onDisk(ctx context.Context, dir string, seen map[uint64]bool) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return nil //nolint:nilerr // another run may be at work: what is gone takes nothing
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if !d.IsDir() {
			files++
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && (d.IsDir() || !seen[st.Ino]) {
			seen[st.Ino] = true
			bytes += st.Blocks * 512
		}
		return nil
	})
	return files, bytes, err
}

// kept are the kinds that Do makes.
var kept = []string{Rootfs, Stage, Tools}

// Entry is one thing in the store that can be kept or removed by itself.
type Entry struct {
	ID    string    `json:"id"` // its path in the store: "stage/<key>", "blobs/sha256/<hex>", "git/<hash>.git"
	Name  string    `json:"name,omitempty"`
	Bytes int64     `json:"bytes"`
	Used  time.Time `json:"used"` // when it was last made, brought or found
}

// Entries lists all entries of stage, rootfs and tools, all blobs and all
// mirrors, in the order of their IDs.
func (s Store) Entries(ctx context.Context) ([]Entry, error) {
	var all []Entry
	seen := map[uint64]bool{}
	for _, kind := range []string{"blobs", "git", Rootfs, Stage, Tools} {
		for _, name := range s.names(kind) {
			e := Entry{ID: kind + "/" + name}
			path := filepath.Join(s.Dir, filepath.FromSlash(e.ID))
			info, err := os.Lstat(path)
			if err != nil {
				continue
			}
			e.Used = info.ModTime().UTC()
			if _, e.Bytes, err = onDisk(ctx, path, seen); err != nil {
				return nil, err
			}
			if text, err := os.ReadFile(filepath.Join(path, "entry.json")); err == nil {
				if rec, err := parseRecord(text); err == nil {
					e.Name = rec.Salt
				}
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// compressed are the directories of bases' tars that are whole.
func (s Store) compressed() []string {
	whole, err := filepath.Glob(filepath.Join(s.Blobs(), compressed+"*", "layer.json"))
	if err != nil {
		return nil
	}
	var names []string
	for _, path := range whole {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}

// names are the entries of a kind, by what follows the kind in their IDs.
func (s Store) names(kind string) []string {
	dir := s.Path(kind)
	prefix := ""
	if kind == "blobs" {
		dir, prefix = filepath.Join(dir, "sha256"), "sha256/"
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		// What begins with a dot or ends in a temp's suffix is not there yet.
		if hexDigest.MatchString(e.Name()) || kind == "git" && strings.HasSuffix(e.Name(), ".git") {
			names = append(names, prefix+e.Name())
		}
	}
	if kind == "blobs" {
		names = append(names, s.compressed()...)
	}
	return names
}
