package git

import (
	"context"
	"path"

	"github.com/go-git/go-git/v5/plumbing"
)

// planned is a tree whose every entry was read and checked.
type planned struct {
	repo   *repository
	commit Commit
	url    string
	path   string // of the submodule, from the root of all
	dirs   []string
	files  []plannedFile
	subs   []*planned
	links  map[string]plumbing.Hash // gitlinks by path
}

type plannedFile struct {
	path    string
	mode    uint32
	hash    plumbing.Hash
	size    int64 // known once it is written
	pointer bool  // of Git LFS, known once it is written
}

// walk lists what a measured tree holds, at any depth.
func (p *planned) walk(tree *measured, known map[plumbing.Hash]*measured, dir string) {
	for _, e := range tree.entries {
		name := path.Join(dir, e.Name)
		switch e.Mode {
		case modeDir:
			p.dirs = append(p.dirs, name)
			p.walk(known[e.Hash], known, name)
		case modeSubmodule:
			p.dirs = append(p.dirs, name)
			p.links[name] = e.Hash
		default:
			p.files = append(p.files, plannedFile{path: name, mode: e.Mode, hash: e.Hash})
		}
	}
}

// measured is a tree object that was read and checked, and what it comes to
// with all trees below it.
type measured struct {
	entries []treeEntry
	paths   int
	bytes   int64
	depth   int
}

// measuring reads the trees of one commit, each once however often it occurs:
// a few objects can name more paths than any disk holds.
type measuring struct {
	*planned
	limits Limits
	stage  *stage
	known  map[plumbing.Hash]*measured
}

// measure reads the tree at a directory, so many deep, and all below it. Its
// error is a *LimitError at the lowest directory that goes beyond the limits.
func (m *measuring) measure(ctx context.Context, h plumbing.Hash, dir string, deep int) (*measured, error) {
	at := path.Join(m.path, dir)
	t, ok := m.known[h]
	if !ok {
		if deep > m.limits.Depth {
			return nil, &LimitError{"directories deep", int64(m.limits.Depth), at}
		}
		var err error
		if t, err = m.read(ctx, h, dir, deep); err != nil {
			return nil, err
		}
		m.known[h] = t
	}
	switch {
	case deep+t.depth > m.limits.Depth:
		return nil, &LimitError{"directories deep", int64(m.limits.Depth), at}
	case t.paths > m.limits.Paths:
		return nil, &LimitError{"paths", int64(m.limits.Paths), at}
	case t.bytes > m.limits.Bytes:
		return nil, &LimitError{"bytes", m.limits.Bytes, at}
	}
	return t, nil
}

func (m *measuring) read(ctx context.Context, h plumbing.Hash, dir string, deep int) (*measured, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := m.repo.tree(h)
	if err != nil {
		return nil, err
	}
	t := &measured{entries: entries, paths: len(entries)}
	for _, e := range entries {
		switch e.Mode {
		case modeSubmodule:
		case modeDir:
			sub, err := m.measure(ctx, e.Hash, path.Join(dir, e.Name), deep+1)
			if err != nil {
				return nil, err
			}
			t.depth = max(t.depth, sub.depth+1)
			t.paths += sub.paths
			t.bytes += sub.bytes
		default:
			size, err := m.size(e.Hash)
			if err != nil {
				return nil, err
			}
			t.bytes += size
		}
		if t.bytes > m.limits.Bytes || t.paths > m.limits.Paths {
			break // far from an overflow
		}
	}
	return t, nil
}

// size is how many bytes a blob takes.
func (m *measuring) size(h plumbing.Hash) (int64, error) {
	if size, ok := m.stage.size(m.url, h); ok {
		return size, nil
	}
	return m.repo.size(h)
}
