package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// MergeBaseError says that two commits have no merge base, or more than one.
type MergeBaseError struct {
	A, B  string
	Bases []string
}

func (e *MergeBaseError) Error() string {
	if len(e.Bases) == 0 {
		return fmt.Sprintf("%s and %s have no commit in common", e.A, e.B)
	}
	return fmt.Sprintf("%s and %s have several merge bases: %q", e.A, e.B, e.Bases)
}

// MergeBase is the best common ancestor of two commits of url, as `git
// merge-base` finds it. It fetches commits and no trees where the server can
// filter. Where there is none, or several are equally good, it is a
// *MergeBaseError.
func (m *Mirrors) MergeBase(ctx context.Context, url, a, b string, w io.Writer) (string, error) {
	base := ""
	err := m.heal(ctx, w, func() (err error) {
		base, err = m.mergeBase(ctx, url, plumbing.NewHash(a), plumbing.NewHash(b))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("finding where %.12s and %.12s part: %w", a, b, err)
	}
	return base, nil
}

func (m *Mirrors) mergeBase(ctx context.Context, url string, a, b plumbing.Hash) (_ string, err error) {
	r, err := m.connect(ctx, url)
	if err != nil {
		return "", err
	}
	if err := m.fetchHistory(ctx, r, url, want{Hashes: []plumbing.Hash{a, b}}); errors.Is(err, errRefused) {
		if err := m.fetchHistory(ctx, r, url, want{Hashes: r.tips(true)}); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	repo, err := m.history(url)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, repo.close()) }()
	ofA, err := repo.ancestors(ctx, a, nil)
	if err != nil {
		return "", err
	}
	ofB, err := repo.ancestors(ctx, b, ofA)
	if err != nil {
		return "", err
	}
	var bases []string
	best := maps.Clone(ofB)
	maps.DeleteFunc(best, func(h plumbing.Hash, _ []plumbing.Hash) bool { _, both := ofA[h]; return !both })
	for _, h := range slices.Collect(maps.Keys(best)) {
		// What another common ancestor comes from is not the best one. Its own
		// ancestors were not walked, so they are taken from those of a.
		for p := range reach(ofA, ofA[h]) {
			delete(best, p)
		}
	}
	for h := range best {
		bases = append(bases, h.String())
	}
	slices.Sort(bases)
	if len(bases) != 1 {
		return "", &MergeBaseError{a.String(), b.String(), bases}
	}
	return bases[0], nil
}

// ancestors are all commits that h comes from, itself included, with their
// parents. A commit of until is met and not gone beyond.
func (r *repository) ancestors(ctx context.Context, h plumbing.Hash, until map[plumbing.Hash][]plumbing.Hash) (map[plumbing.Hash][]plumbing.Hash, error) {
	met := map[plumbing.Hash][]plumbing.Hash{}
	for next := []plumbing.Hash{h}; len(next) > 0; {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		if _, ok := met[h]; ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := r.commit(h)
		if err != nil {
			return nil, err
		}
		met[h] = c.ParentHashes
		if _, ok := until[h]; !ok {
			next = append(next, c.ParentHashes...)
		}
	}
	return met, nil
}

// reach are the commits that from and what is before them come to.
func reach(parents map[plumbing.Hash][]plumbing.Hash, from []plumbing.Hash) map[plumbing.Hash]bool {
	met := map[plumbing.Hash]bool{}
	for next := slices.Clone(from); len(next) > 0; {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		if !met[h] {
			met[h] = true
			next = append(next, parents[h]...)
		}
	}
	return met
}
