package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// blobSink is given the blobs of a pack as they arrive: see pack.Options.
type blobSink func(h plumbing.Hash, content []byte) error

// maxHaves bounds what a request tells the server of what is there already.
const maxHaves = 64

// Fetch makes the commit and its whole tree present in the mirror of url; when
// they are, no request is made. It asks for this one commit. A server that
// does not give commits by SHA is asked for all of ref, then for all of its
// refs; ref may be empty. What happens, and a ref that has moved away from the
// commit, is said on w, one line each.
//
// A pack that arrives damaged leaves nothing and is asked for once more. Fetch
// may be called by many processes at once: one fetches and the others find it
// done. The error wraps ErrOffline when the commit is missing and Offline set.
func (m *Mirrors) Fetch(ctx context.Context, url string, c Commit, ref string, w io.Writer) error {
	return m.heal(ctx, w, func() error {
		_, err := m.fetch(ctx, Source{URL: url, Ref: ref}, c, w, nil)
		return err
	})
}

// fetch is Fetch without heal. It gives the blobs of a pack that brings one
// commit to blob, and tells how many bytes came over the network.
func (m *Mirrors) fetch(ctx context.Context, src Source, c Commit, w io.Writer, blob blobSink) (_ int64, err error) {
	if !isSHA(c.Hash) {
		return 0, fmt.Errorf("fetching from %s: %q is not a full commit SHA", redact(src.URL), c.Hash)
	}
	h := plumbing.NewHash(c.Hash)
	repo, err := m.mirror(src.URL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, repo.close()) }()
	if there, err := repo.whole(h); there || err != nil {
		return 0, err
	}
	unlock, err := lockFile(ctx, repo.dir+".lock")
	if err != nil {
		return 0, err
	}
	if err := repo.close(); err != nil {
		return 0, errors.Join(err, unlock())
	}
	received, err := m.fetchLocked(ctx, src, h, fetcher{repo: repo, w: w, blob: blob})
	return received, errors.Join(err, unlock())
}

// fetchLocked has f, whose repository is locked, fetch h, unless it is there by now.
func (m *Mirrors) fetchLocked(ctx context.Context, src Source, h plumbing.Hash, f fetcher) (int64, error) {
	if there, err := f.repo.whole(h); there || err != nil {
		return 0, err
	}
	r, err := m.connect(ctx, src.URL)
	if err != nil {
		return 0, err
	}
	f.remote = r
	err = f.one(ctx, h, src.Ref)
	return r.received.Load(), err
}

// fetcher brings commits from one remote into one locked repository.
type fetcher struct {
	remote *remote
	repo   *repository
	w      io.Writer
	blob   blobSink // for what shallow brings; may be nil
}

func (f *fetcher) one(ctx context.Context, h plumbing.Hash, ref string) error {
	tip := f.tip(ref, h)
	if ask, ok := f.remote.wantFor(h); ok {
		err := f.shallow(ctx, ask, h)
		if !errors.Is(err, errRefused) {
			return err
		}
	}
	if !tip.IsZero() {
		fmt.Fprintf(f.w, "%s does not send commits by SHA: fetching all of %s to find %s\n", f.remote.url, ref, h)
		if found, err := f.deep(ctx, h, []plumbing.Hash{tip}); found || err != nil {
			return err
		}
	}
	fmt.Fprintf(f.w, "%s does not send commits by SHA: fetching all its refs to find %s\n", f.remote.url, h)
	found, err := f.deep(ctx, h, f.remote.tips(true))
	if err == nil && !found {
		err = &RefError{URL: f.remote.url, Ref: h.String(), Candidates: f.remote.nearest(ref)}
	}
	return err
}

// tip is what to ask for to get what ref names now; that it is not the pinned
// commit is said.
func (f *fetcher) tip(ref string, h plumbing.Hash) plumbing.Hash {
	if ref == "" {
		return plumbing.ZeroHash
	}
	tip, _, err := f.remote.lookup(ref)
	if err != nil || tip.IsZero() {
		return plumbing.ZeroHash
	}
	if tip != h {
		fmt.Fprintf(f.w, "%s now names %s; staying at the pinned %s\n", ref, tip, h)
	}
	ask, _ := f.remote.wantFor(tip)
	return ask
}

// shallow fetches h without its parents, by asking for h or a tag on it. What whole commits the mirror has is
// offered, so only what differs comes; a second try offers nothing.
func (f *fetcher) shallow(ctx context.Context, ask, h plumbing.Hash) error {
	fmt.Fprintf(f.w, "fetching %s from %s\n", h, f.remote.url)
	set, err := f.repo.wholes()
	if err != nil {
		return err
	}
	w := want{Hashes: []plumbing.Hash{ask}, Depth: 1}
	if w.Shallows, err = f.repo.shallows(); err != nil {
		return err
	}
	for _, have := range w.Shallows {
		if set[have] && len(w.Haves) < maxHaves {
			w.Haves = append(w.Haves, have)
		}
	}
	w.Shallows = slices.Clone(w.Haves)
	return f.twice(ctx, w, f.blob, func() error {
		if err := f.repo.checkWhole(ctx, h); err != nil {
			return err
		}
		if err := f.repo.addShallow(h); err != nil {
			return err
		}
		return f.repo.markWhole(h)
	})
}

// deep fetches tips with all their ancestors, and reports whether h is there.
func (f *fetcher) deep(ctx context.Context, h plumbing.Hash, tips []plumbing.Hash) (found bool, err error) {
	err = f.twice(ctx, want{Hashes: tips}, nil, func() error {
		if found, err = f.repo.has(h); !found || err != nil {
			return err
		}
		if err := f.repo.checkWhole(ctx, h); err != nil {
			return err
		}
		return f.repo.markWhole(h)
	})
	return found, err
}

// twice asks for a pack, stores it and lets check look at it; what fails for
// any other reason than a refusal, or a server that cannot be had, is tried
// once more, from nothing.
func (f *fetcher) twice(ctx context.Context, w want, blob blobSink, check func() error) error {
	err := f.once(ctx, w, blob, check)
	if err == nil || errors.Is(err, errRefused) || ctx.Err() != nil {
		return err
	}
	for _, final := range []any{new(*refusedTree), new(*StatusError), new(*UnreachableError)} {
		if errors.As(err, final) {
			return err
		}
	}
	fmt.Fprintf(f.w, "%v; trying again\n", err)
	w.Haves, w.Shallows = nil, nil
	return f.once(ctx, w, blob, check)
}

func (f *fetcher) once(ctx context.Context, w want, blob blobSink, check func() error) error {
	err := f.remote.pack(ctx, w, func(in io.Reader) error {
		return f.repo.addPack(ctx, in, pack.Options{Progress: f.progress(), Blob: blob, Base: f.repo.read})
	})
	if err != nil {
		return err
	}
	return check()
}

// progress says on w how far a pack has come, at every tenth of its objects.
func (f *fetcher) progress() func(objects, count int, bytes int64) {
	said := 0
	return func(objects, count int, bytes int64) {
		if tenth := objects * 10 / count; tenth > said && count >= 100 || objects == count {
			said = tenth
			fmt.Fprintf(f.w, "received %d of %d objects, %.1f MB\n", objects, count, float64(bytes)/1e6)
		}
	}
}
