package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// verify reads back what was written and recomputes the hash of every tree.
func (p *planned) verify(ctx context.Context, dir string) error {
	for _, s := range append([]*planned{p}, p.below()...) {
		h, err := s.hashDir(ctx, filepath.Join(dir, s.path), "")
		if err != nil {
			return fmt.Errorf("verifying the tree: %w", err)
		}
		if h.String() != s.commit.Tree {
			return fmt.Errorf("verifying the tree of %s: what was written has the hash %s, but the commit says %s",
				redact(s.url), h, s.commit.Tree)
		}
	}
	return nil
}

// hashDir is the tree hash of a directory on disk. Only a gitlink is taken
// from the plan, as no directory shows its hash.
func (p *planned) hashDir(ctx context.Context, dir, rel string) (h plumbing.Hash, err error) {
	if err := ctx.Err(); err != nil {
		return h, err
	}
	infos, err := os.ReadDir(dir)
	if err != nil {
		return h, err
	}
	type line struct{ sortKey, text string }
	var lines []line
	for _, info := range infos {
		name, at := filepath.Join(dir, info.Name()), path.Join(rel, info.Name())
		if rel == "" && p.path == "" && info.Name() == ".git" {
			continue // ours: a tree cannot hold one
		}
		link, isLink := p.links[at]
		var mode string
		var sum plumbing.Hash
		sortKey := info.Name()
		switch {
		case isLink:
			mode, sum, sortKey = "160000", link, sortKey+"/"
		case info.IsDir():
			sum, err = p.hashDir(ctx, name, at)
			mode, sortKey = "40000", sortKey+"/"
		case info.Type() == os.ModeSymlink:
			var target string
			target, err = os.Readlink(name)
			mode, sum = "120000", plumbing.ComputeHash(plumbing.BlobObject, []byte(target))
		default:
			mode, sum, err = hashFile(name)
			if mode == "100644" && p.groupWritable(at) {
				mode = "100664"
			}
		}
		if err != nil {
			return h, err
		}
		lines = append(lines, line{sortKey, mode + " " + info.Name() + "\x00" + string(sum[:])})
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.sortKey, b.sortKey) })
	var tree strings.Builder
	for _, l := range lines {
		tree.WriteString(l.text)
	}
	return plumbing.ComputeHash(plumbing.TreeObject, []byte(tree.String())), nil
}

// groupWritable reports whether the tree has the old mode 100664 for a file.
func (p *planned) groupWritable(at string) bool {
	return slices.ContainsFunc(p.files, func(f plannedFile) bool { return f.mode == modeGroup && f.path == at })
}

func hashFile(name string) (mode string, h plumbing.Hash, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", h, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", h, err
	}
	mode = "100644"
	if info.Mode().Perm()&0o100 != 0 {
		mode = "100755"
	}
	hasher := plumbing.NewHasher(plumbing.BlobObject, info.Size())
	if _, err := io.Copy(hasher, f); err != nil {
		return "", h, err
	}
	return mode, hasher.Sum(), nil
}
