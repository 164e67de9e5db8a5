package git

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// MergeConflict is one place where two commits do not merge.
type MergeConflict struct {
	File   string
	Line   int // of the file as it was before the merge; 0 for the file as a whole
	Reason string
}

// MergeError lists every place where a pull request does not merge.
type MergeError struct {
	Pull      string // what was merged, in words
	Commit    string // into which commit
	Conflicts []MergeConflict
}

func (e *MergeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s does not merge into %s:", e.Pull, e.Commit)
	for _, c := range e.Conflicts {
		where := c.File
		if c.Line > 0 {
			where += fmt.Sprintf(", line %d", c.Line)
		}
		fmt.Fprintf(&b, "\n  %s: %s", where, c.Reason)
	}
	return b.String()
}

// merger merges trees of one repository and gathers the objects that are new.
type merger struct {
	repo      *repository
	made      map[plumbing.Hash]*plumbing.MemoryObject
	conflicts []MergeConflict
}

// three is what stands under one name on each side; a zero hash is nothing.
type three struct{ base, ours, theirs treeEntry }

// tree merges three trees, of which a zero hash is an empty one, and returns the
// hash of what they come to; the zero hash is an empty tree.
func (g *merger) tree(ctx context.Context, dir string, base, ours, theirs plumbing.Hash) (plumbing.Hash, error) {
	switch {
	case ours == theirs, theirs == base:
		return ours, nil
	case ours == base:
		return theirs, nil
	}
	if err := ctx.Err(); err != nil {
		return plumbing.ZeroHash, err
	}
	all := map[string]*three{}
	for i, h := range []plumbing.Hash{base, ours, theirs} {
		if h.IsZero() {
			continue
		}
		entries, err := g.repo.tree(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		for _, e := range entries {
			t := all[e.Name]
			if t == nil {
				t = &three{}
				all[e.Name] = t
			}
			*[]*treeEntry{&t.base, &t.ours, &t.theirs}[i] = e
		}
	}
	var merged []treeEntry
	for name, t := range all {
		e, err := g.entry(ctx, path.Join(dir, name), *t)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !e.Hash.IsZero() {
			e.Name = name
			merged = append(merged, e)
		}
	}
	return g.writeTree(merged), nil
}

// same compares two entries but for their names.
func same(a, b treeEntry) bool { return a.Hash == b.Hash && a.Mode == b.Mode }

func (g *merger) entry(ctx context.Context, file string, t three) (treeEntry, error) {
	switch {
	case same(t.ours, t.theirs), same(t.theirs, t.base):
		return t.ours, nil
	case same(t.ours, t.base):
		return t.theirs, nil
	}
	dirs, files := 0, 0
	for _, e := range []treeEntry{t.base, t.ours, t.theirs} {
		switch {
		case e.Hash.IsZero():
		case e.Mode == modeDir:
			dirs++
		default:
			files++
		}
	}
	switch {
	case files == 0:
		h, err := g.tree(ctx, file, t.base.Hash, t.ours.Hash, t.theirs.Hash)
		return treeEntry{Mode: modeDir, Hash: h}, err
	case dirs > 0:
		return g.conflict(file, 0, "one side has a directory where the other has a file")
	}
	return g.file(file, t)
}

// conflict notes what cannot be merged; the entry that stands for it is empty.
func (g *merger) conflict(file string, line int, reason string) (treeEntry, error) {
	g.conflicts = append(g.conflicts, MergeConflict{file, line, reason})
	return treeEntry{}, nil
}

func regular(e treeEntry) bool { return e.Mode == modeFile || e.Mode == modeExec }

// mostMerged bounds each version of a file that is merged line by line.
const mostMerged = 8 << 20

// file merges a file that both sides changed.
func (g *merger) file(file string, t three) (treeEntry, error) {
	switch {
	case t.base.Hash.IsZero():
		return g.conflict(file, 0, "both sides add it, with different content")
	case t.ours.Hash.IsZero():
		return g.conflict(file, 0, "it was deleted, and the pull request changes it")
	case t.theirs.Hash.IsZero():
		return g.conflict(file, 0, "it was changed, and the pull request deletes it")
	case !regular(t.base) || !regular(t.ours) || !regular(t.theirs):
		return g.conflict(file, 0, "both sides change what is not a plain file")
	}
	e := treeEntry{Mode: t.ours.Mode, Hash: t.ours.Hash}
	if t.ours.Mode == t.base.Mode {
		e.Mode = t.theirs.Mode
	}
	switch {
	case t.ours.Hash == t.base.Hash:
		e.Hash = t.theirs.Hash
	case t.theirs.Hash != t.base.Hash && t.theirs.Hash != t.ours.Hash:
		var texts [3][]byte
		for i, one := range []treeEntry{t.base, t.ours, t.theirs} {
			size, err := g.repo.size(one.Hash)
			if err != nil {
				return e, err
			}
			if size > mostMerged {
				return g.conflict(file, 0, "both sides change it, and it is too large to be merged")
			}
			if texts[i], err = g.repo.object(plumbing.BlobObject, one.Hash); err != nil {
				return e, err
			}
			if isBinary(texts[i]) {
				return g.conflict(file, 0, "both sides change it, and it is binary")
			}
		}
		merged, line, ok := mergeText(texts[0], texts[1], texts[2])
		if !ok {
			return g.conflict(file, line, "both sides change these lines")
		}
		e.Hash = g.add(plumbing.BlobObject, merged)
	}
	return e, nil
}

// isBinary is git's own test.
func isBinary(text []byte) bool { return bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 }

func (g *merger) add(kind plumbing.ObjectType, content []byte) plumbing.Hash {
	o := memory(kind, content)
	g.made[o.Hash()] = o
	return o.Hash()
}

// writeTree adds a tree in git's order, where a directory's name ends in a slash.
func (g *merger) writeTree(entries []treeEntry) plumbing.Hash {
	if len(entries) == 0 {
		return plumbing.ZeroHash
	}
	key := func(e treeEntry) string {
		if e.Mode == modeDir {
			return e.Name + "/"
		}
		return e.Name
	}
	slices.SortFunc(entries, func(a, b treeEntry) int { return strings.Compare(key(a), key(b)) })
	var raw bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&raw, "%o %s\x00", e.Mode, e.Name)
		raw.Write(e.Hash[:])
	}
	return g.add(plumbing.TreeObject, raw.Bytes())
}
