package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is entry.json: what an entry was made from, and what stands in it.
type record struct {
	Format  int       `json:"format"`
	Kind    string    `json:"kind"`
	Key     string    `json:"key"`
	Salt    string    `json:"salt,omitempty"`
	Fields  []Field   `json:"fields,omitempty"`
	Made    time.Time `json:"made"`
	Seconds float64   `json:"seconds"` // how long fill took
	Size    int64     `json:"size"`    // bytes of the files
	Files   []file    `json:"files,omitempty"`
}

const recordFormat = 2

// file is one path below files/.
type file struct {
	Path   string `json:"path"` // with slashes; parents come first
	Type   string `json:"type"` // "dir", "file", "exec", "link", or "other" in a base
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // "" in a base for what cannot be read
	Target string `json:"target,omitempty"` // a link's
	// Stamp is the inode, its times when the digest was taken and how many names
	// it had. The kernel sets the change time at each write and nobody can set it
	// back, so a file with the same stamp need not be read again.
	Stamp string `json:"stamp,omitempty"`
}

// newRecord is the record of an entry whose making began at a time.
func newRecord(kind string, key Key, began time.Time) *record {
	now := time.Now()
	return &record{
		Format: recordFormat, Kind: kind, Key: key.sum, Salt: key.salt, Fields: key.fields,
		Made: now.UTC().Truncate(time.Second), Seconds: now.Sub(began).Seconds(),
	}
}

// keep records the filled entry at dir, and returns when it and all its
// files are on the disk; those with a known digest are.
func (rec *record) keep(ctx context.Context, dir string, known map[string]string) error {
	root := filepath.Join(dir, "files")
	files, err := list(ctx, root)
	if err == nil {
		err = digest(ctx, root, files, known)
	}
	if err != nil {
		return fmt.Errorf("recording the entry: %w", err)
	}
	for _, f := range files {
		if err := f.check(rec.Kind); err != nil {
			return fmt.Errorf("recording the entry: %w", err)
		}
		rec.Size += f.Size
	}
	rec.Files = files
	if err := syncTree(root, rec.Files, known); err != nil {
		return fmt.Errorf("flushing the entry to disk: %w", err)
	}
	if err := rec.write(dir); err != nil {
		return err
	}
	return syncDir(dir)
}

func (rec *record) write(dir string) error {
	text, err := json.MarshalIndent(rec, "", " ")
	if err != nil {
		return fmt.Errorf("recording the entry: %w", err)
	}
	return writeFile(filepath.Join(dir, "entry.json"), append(text, '\n'))
}

// parseRecord reads entry.json and refuses what this version does not write: a
// damaged one must be a miss, never a wrong answer.
func parseRecord(text []byte) (*record, error) {
	var rec record
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return nil, fmt.Errorf("reading entry.json: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading entry.json: data after its end")
	}
	if rec.Format != recordFormat {
		return nil, fmt.Errorf("reading entry.json: format %d, want %d", rec.Format, recordFormat)
	}
	seen := map[string]bool{"": true}
	for _, f := range rec.Files {
		if err := f.check(rec.Kind); err != nil {
			return nil, fmt.Errorf("reading entry.json: %w", err)
		}
		parent := ""
		if i := strings.LastIndexByte(f.Path, '/'); i >= 0 {
			parent = f.Path[:i]
		}
		if _, twice := seen[f.Path]; twice || !seen[parent] {
			return nil, fmt.Errorf("reading entry.json: %q occurs twice, or its directory is missing", f.Path)
		}
		seen[f.Path] = f.Type == "dir"
	}
	return &rec, nil
}

// check refuses what is never written. In an entry that is checked at each hit
// every file has a digest, and there is nothing but files, links, directories.
func (f file) check(kind string) error {
	if !fs.ValidPath(f.Path) || f.Path == "." || strings.ContainsRune(f.Path, 0) {
		return fmt.Errorf("path %q leaves the entry", f.Path)
	}
	m := hexDigest.FindStringSubmatch(f.SHA256)
	digest := m != nil && m[0] == m[1]
	var ok bool
	switch f.Type {
	case "dir":
		ok = f.Size == 0 && f.SHA256 == "" && f.Target == ""
	case "file", "exec":
		ok = (digest || f.SHA256 == "" && kind == Rootfs) && f.Size >= 0 && f.Target == ""
	case "link":
		ok = f.Size == 0 && f.SHA256 == "" && f.Target != ""
	case "other":
		ok = f.Size == 0 && f.SHA256 == "" && f.Target == "" && kind == Rootfs
	}
	if !ok {
		return fmt.Errorf("%q (%s) is not a readable file, link or directory, which a %s entry needs", f.Path, f.Type, kind)
	}
	return nil
}

// lookup is nil when the entry is there and whole, fs.ErrNotExist when it is
// not there, and else says what is wrong with it. It marks the entry as used;
// a store that was copied or moved gets the stamps of its new files, so that
// they are read this once. A store that cannot be written stays as it is.
func (s Store) lookup(ctx context.Context, kind string, key Key) error {
	rec, restamped, err := s.check(ctx, kind, key, false)
	if err != nil {
		return err
	}
	dir := s.Path(kind, key.sum)
	if restamped {
		_ = rec.write(dir)
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
	return nil
}

// check reads the record of an entry and compares the files; deep reads every byte.
func (s Store) check(ctx context.Context, kind string, key Key, deep bool) (rec *record, restamped bool, err error) {
	dir := s.Path(kind, key.sum)
	text, err := os.ReadFile(filepath.Join(dir, "entry.json"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); err == nil {
			return nil, false, errors.New("entry.json is missing")
		}
		return nil, false, fs.ErrNotExist
	}
	if err != nil {
		return nil, false, err
	}
	rec, err = parseRecord(text)
	if err != nil {
		return nil, false, err
	}
	if rec.Kind != kind || rec.Key != key.sum {
		return rec, false, fmt.Errorf("entry.json is that of %s %.12s", rec.Kind, rec.Key)
	}
	root := filepath.Join(dir, "files")
	if kind == Rootfs && !deep {
		info, err := os.Lstat(root)
		if err == nil && !info.IsDir() {
			err = errors.New("files is not a directory")
		}
		return rec, false, present(err)
	}
	restamped, err = compare(ctx, root, rec.Files, deep)
	return rec, restamped, present(err)
}

// present hides that a part of an entry does not exist: the entry does, and is
// damaged.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}
