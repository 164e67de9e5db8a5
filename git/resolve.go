package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

const commitsOnly packp.Filter = "tree:0"

// uniquePrefix is the length from which on an abbreviated SHA that an
// advertised ref matches is taken without looking for a second match: in a
// repository of 2^14 commits one has a chance of 2^-34.
const uniquePrefix = 12

// Resolve asks the remote what src names now. It brings no tree: at most the
// commit itself, and for an abbreviated SHA that no ref begins with, the
// commits of all branches and tags, which are kept. A full SHA that is in the
// mirrors already is answered without the network.
//
// The error is a *RefError when there is no such ref or commit and an
// *AmbiguousError when there are several: a branch and a tag of one name that
// differ, or an abbreviation of two commits.
func (m *Mirrors) Resolve(ctx context.Context, src Source) (Commit, error) {
	if err := checkRef(src.Ref); err != nil {
		return Commit{}, fmt.Errorf("resolving a ref of %s: %w", redact(src.URL), err)
	}
	var c Commit
	err := m.heal(ctx, io.Discard, func() (err error) {
		c, err = m.resolve(ctx, src)
		return err
	})
	return c, err
}

func (m *Mirrors) resolve(ctx context.Context, src Source) (Commit, error) {
	if isSHA(src.Ref) {
		h := plumbing.NewHash(strings.ToLower(src.Ref))
		if c, err := m.local(src.URL, h); c != nil || err != nil {
			return commitValue(c), err
		}
	}
	r, err := m.connect(ctx, src.URL)
	if err != nil {
		return Commit{}, err
	}
	h, err := m.find(ctx, r, src)
	if err != nil {
		return Commit{}, err
	}
	c, err := m.commit(ctx, r, src, h)
	if err != nil {
		return Commit{}, err
	}
	return commitValue(c), nil
}

func commitValue(c *object.Commit) Commit {
	if c == nil {
		return Commit{}
	}
	return Commit{Hash: c.Hash.String(), Time: c.Committer.When.UTC(), Tree: c.TreeHash.String()}
}

// find turns the ref into the hash of a commit, or of a tag that is peeled later.
func (m *Mirrors) find(ctx context.Context, r *remote, src Source) (plumbing.Hash, error) {
	h, names, err := r.lookup(src.Ref)
	if err != nil || !h.IsZero() {
		return h, err
	}
	switch {
	case isSHA(src.Ref):
		return plumbing.NewHash(strings.ToLower(src.Ref)), nil
	case len(src.Ref) >= 4 && len(src.Ref) < 40 && isHex(src.Ref):
		return m.abbreviated(ctx, r, src)
	}
	return h, &RefError{URL: r.url, Ref: src.Ref, Candidates: names}
}

// local reads a commit from the mirrors; nil says that they lack it.
func (m *Mirrors) local(url string, h plumbing.Hash) (*object.Commit, error) {
	for _, open := range []func(string) (*repository, error){m.mirror, m.history} {
		repo, err := open(url)
		if err != nil {
			return nil, err
		}
		c, err := repo.find(h)
		if err := errors.Join(err, repo.close()); c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}

// find is commit, but nil when the repository has no such object.
func (r *repository) find(h plumbing.Hash) (*object.Commit, error) {
	if there, err := r.has(h); !there || err != nil {
		return nil, err
	}
	return r.commit(h)
}

// commit brings the commit object of h, alone when the server can filter.
func (m *Mirrors) commit(ctx context.Context, r *remote, src Source, h plumbing.Hash) (*object.Commit, error) {
	if c, err := m.local(src.URL, h); c != nil || err != nil {
		return c, err
	}
	var err error
	if r.filters() {
		err = m.commitAlone(ctx, r, src.URL, h)
	} else {
		_, err = m.fetch(ctx, src, Commit{Hash: h.String()}, io.Discard, nil)
	}
	if err != nil && !errors.Is(err, errRefused) {
		return nil, err
	}
	c, err := m.local(src.URL, h)
	if err == nil && c == nil {
		err = &RefError{URL: r.url, Ref: src.Ref, Candidates: r.nearest(src.Ref)}
	}
	return c, err
}

// commitAlone asks for one commit, and where the server refuses, for the
// commits of all refs.
func (m *Mirrors) commitAlone(ctx context.Context, r *remote, url string, h plumbing.Hash) error {
	if ask, ok := r.wantFor(h); ok {
		err := m.fetchHistory(ctx, r, url, want{Hashes: []plumbing.Hash{ask}, Depth: 1})
		if !errors.Is(err, errRefused) {
			return err
		}
	}
	return m.fetchHistory(ctx, r, url, want{Hashes: r.tips(true)})
}

// fetchHistory adds commits without their trees to the history beside the
// mirror. Only what stands there with all its ancestors is offered as a have,
// and only a request without depth marks commits so.
func (m *Mirrors) fetchHistory(ctx context.Context, r *remote, url string, w want) error {
	repo, err := m.history(url)
	if err != nil {
		return err
	}
	unlock, err := lockFile(ctx, repo.dir+".lock")
	if err != nil {
		return err
	}
	f := fetcher{remote: r, repo: repo, w: io.Discard}
	return errors.Join(f.history(ctx, w), repo.close(), unlock())
}

func (f *fetcher) history(ctx context.Context, w want) error {
	set, err := f.repo.wholes()
	if err != nil {
		return err
	}
	if f.remote.filters() {
		w.Filter = commitsOnly
	}
	if w.Depth > 0 {
		return f.twice(ctx, w, nil, func() error { return nil })
	}
	var missing []plumbing.Hash
	for _, h := range w.Hashes {
		if !set[h] {
			missing = append(missing, h)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	w.Hashes = missing
	for h := range set {
		w.Haves = append(w.Haves, h)
	}
	return f.twice(ctx, w, nil, func() error { return f.repo.markWhole(missing...) })
}
