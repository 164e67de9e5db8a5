package git

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/go-git/go-git/v5/plumbing"
)

// lookup finds what ref names among the advertised refs: the zero hash when
// nothing has that name, and then the nearest names. Annotated tags are peeled.
func (r *remote) lookup(ref string) (plumbing.Hash, []string, error) {
	if ref == "HEAD" && r.head != nil {
		return *r.head, nil, nil
	}
	var found []string
	for _, name := range []string{ref, "refs/tags/" + ref, "refs/heads/" + ref, "refs/" + ref} {
		if _, ok := r.refs[name]; ok && strings.HasPrefix(name, "refs/") {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return plumbing.ZeroHash, r.nearest(ref), nil
	}
	h := r.peel(found[0])
	for _, name := range found[1:] {
		if r.peel(name) != h {
			return plumbing.ZeroHash, nil, &AmbiguousError{URL: r.url, Ref: ref, Candidates: found}
		}
	}
	return h, nil, nil
}

func (r *remote) peel(name string) plumbing.Hash {
	if h, ok := r.peeled[name]; ok {
		return h
	}
	return r.refs[name]
}

// tips are the distinct values of all branches and tags, or of all refs, in
// the order of their names.
func (r *remote) tips(all bool) []plumbing.Hash {
	var names []string
	for name := range r.refs {
		if all || strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	seen := make(map[plumbing.Hash]bool)
	var tips []plumbing.Hash
	for _, name := range names {
		if h := r.refs[name]; !seen[h] {
			seen[h] = true
			tips = append(tips, h)
		}
	}
	return tips
}

// nearest lists the names of branches and tags that are most like ref; for
// what can only be a SHA, simply the first.
func (r *remote) nearest(ref string) []string {
	type scored struct {
		name  string
		score int
	}
	var all []scored
	for name := range r.refs {
		short, ok := strings.CutPrefix(name, "refs/heads/")
		if !ok {
			if short, ok = strings.CutPrefix(name, "refs/tags/"); !ok {
				continue
			}
		}
		s := scored{name: short}
		if len(ref) < 4 || !isHex(ref) {
			s.score = levenshtein.ComputeDistance(strings.ToLower(ref), strings.ToLower(short))
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, s := range slices.CompactFunc(all, func(a, b scored) bool { return a.name == b.name }) {
		if len(names) == 10 {
			break
		}
		names = append(names, s.name)
	}
	return names
}

// abbreviated finds the one commit whose SHA begins with src.Ref.
func (m *Mirrors) abbreviated(ctx context.Context, r *remote, src Source) (plumbing.Hash, error) {
	prefix := strings.ToLower(src.Ref)
	found := make(map[plumbing.Hash]bool)
	for name, h := range r.refs {
		if strings.HasPrefix(h.String(), prefix) || strings.HasPrefix(r.peel(name).String(), prefix) {
			found[r.peel(name)] = true
		}
	}
	if len(found) != 1 || len(prefix) < uniquePrefix && r.filters() {
		if err := m.fetchHistory(ctx, r, src.URL, want{Hashes: r.tips(false)}); err != nil {
			return plumbing.ZeroHash, err
		}
		repo, err := m.history(src.URL)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		commits, err := repo.commitsWithPrefix(prefix)
		if err := errors.Join(err, repo.close()); err != nil {
			return plumbing.ZeroHash, err
		}
		for _, h := range commits {
			found[h] = true
		}
	}
	var hashes []string
	for h := range found {
		hashes = append(hashes, h.String())
	}
	slices.Sort(hashes)
	switch len(hashes) {
	case 0:
		return plumbing.ZeroHash, &RefError{URL: r.url, Ref: src.Ref, Candidates: r.nearest(src.Ref)}
	case 1:
		return plumbing.NewHash(hashes[0]), nil
	}
	return plumbing.ZeroHash, &AmbiguousError{URL: r.url, Ref: src.Ref, Candidates: hashes}
}
