package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// compressed are the directories of blobs that hold a base's tar as it was
// compressed, by the digest of the tar: made here, and made again when missing.
const compressed = "sha256-"

// compressedFiles are what is in such a directory when it is whole.
var compressedFiles = map[string]bool{"blob": true, "layer.json": true}

// Leftovers are files among the blobs that a run which died was writing. While
// another process has the store open there are none: they may be that one's.
func (s Store) Leftovers(ctx context.Context) ([]Entry, error) {
	release, err := s.alone()
	if err != nil {
		return nil, nil // what is not known to be dead is not listed
	}
	defer release()
	return s.leftovers(ctx)
}

// leftovers is Leftovers for who has the store alone.
func (s Store) leftovers(ctx context.Context) ([]Entry, error) {
	var all []Entry
	add := func(id string) error {
		path := filepath.Join(s.Dir, filepath.FromSlash(id))
		info, err := os.Lstat(path)
		if err != nil {
			return nil //nolint:nilerr // it went meanwhile
		}
		e := Entry{ID: id, Name: "left by a killed run", Used: info.ModTime().UTC()}
		_, e.Bytes, err = onDisk(ctx, path, map[uint64]bool{})
		all = append(all, e)
		return err
	}
	top, _ := os.ReadDir(s.Blobs())
	for _, d := range top {
		dir := "blobs/" + d.Name()
		list, _ := os.ReadDir(filepath.Join(s.Blobs(), d.Name()))
		inCompressed := strings.HasPrefix(d.Name(), compressed)
		for _, e := range list {
			whole := hexDigest.MatchString(e.Name())
			if inCompressed {
				whole = compressedFiles[e.Name()]
			}
			if whole {
				continue
			}
			if err := add(dir + "/" + e.Name()); err != nil {
				return all, err
			}
		}
	}
	return all, ctx.Err()
}

// partOf is the blob whose download a leftover is the beginning of, "" for any
// other: the next fetch goes on from there.
func partOf(id string) string {
	if final, ok := strings.CutSuffix(id, ".part"); ok && strings.HasPrefix(id, "blobs/sha256/") {
		return final
	}
	return ""
}

// spares says whether cleaning leaves the beginning of a download: of a blob
// that is needed, or one that was written lately.
func (k Keep) spares(e Entry) bool {
	final := partOf(e.ID)
	switch {
	case final == "":
		return false
	case k.Needed[final]:
		return true
	}
	return !k.UsedSince.IsZero() && !e.Used.Before(k.UsedSince)
}

// verifyCompressed reads a base's tar as it was compressed.
func verifyCompressed(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "layer.json"))
	if err != nil {
		return err
	}
	var meta struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return fmt.Errorf("its description is damaged: %w", err)
	}
	got, err := sum(ctx, filepath.Join(dir, "blob"))
	if err == nil && "sha256:"+got != meta.Digest {
		err = errors.New("the content has the sha256 " + got)
	}
	return err
}
