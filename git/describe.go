package git

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// Description says where a commit stands from the nearest tag before it: as
// many commits as are reachable from it and not from the tag.
type Description struct {
	Tag      string
	Distance int
	Hash     string
}

// String is what `git describe --tags --long --abbrev=40` prints.
func (d Description) String() string { return fmt.Sprintf("%s-%d-g%s", d.Tag, d.Distance, d.Hash) }

// ParseDescription reads what String prints.
func ParseDescription(s string) (d Description, err error) {
	tag, hash, _ := cutLast(s, "-g")
	tag, distance, ok := cutLast(tag, "-")
	n, err := strconv.Atoi(distance)
	if err != nil || !ok || tag == "" || n < 0 || !isSHA(hash) {
		return Description{}, fmt.Errorf("%q is not TAG-COMMITS-gHASH", s)
	}
	return Description{Tag: tag, Distance: n, Hash: hash}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// ErrNoTag says that no tag with a digit in its name is an ancestor.
var ErrNoTag = errors.New("no tag with a digit in its name is on the commit or before it")

// Describe finds what `git describe --tags --long --abbrev=40 --match
// '*[0-9]*'` finds in a full clone: the nearest tag, of equals the one met
// first walking back by date; on one commit an annotated tag before a
// lightweight one, and of annotated ones the youngest. It fetches commits and
// no trees where the server can filter, and says on w where it cannot. The
// error wraps ErrNoTag when there is no such tag.
//
// Tags may come at any time, so the server is always asked for its refs.
// Offline, the answer is the last one that this Describe gave; the error wraps
// ErrOffline when it gave none.
func (m *Mirrors) Describe(ctx context.Context, url string, c Commit, w io.Writer) (Description, error) {
	var d Description
	err := m.heal(ctx, w, func() (err error) {
		d, err = m.describe(ctx, url, c, w)
		return err
	})
	if err != nil {
		return Description{}, fmt.Errorf("describing %s: %w", c.Hash, err)
	}
	return d, nil
}

func (m *Mirrors) describe(ctx context.Context, url string, c Commit, w io.Writer) (d Description, err error) {
	if !isSHA(c.Hash) {
		return d, fmt.Errorf("%q is not a full commit SHA", c.Hash)
	}
	h := plumbing.NewHash(c.Hash)
	repo, err := m.history(url)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, repo.close()) }()
	if m.Offline && !isLocal(url) {
		d, ok, err := repo.recall(h.String())
		if err == nil && !ok {
			err = fmt.Errorf("its tags: %w", ErrOffline)
		}
		return d, err
	}
	d, err = m.describeAnew(ctx, url, repo, h, w)
	if err != nil && !errors.Is(err, ErrNoTag) {
		return d, err
	}
	return d, errors.Join(err, repo.remember(ctx, h.String(), d))
}

func (m *Mirrors) describeAnew(ctx context.Context, url string, repo *repository, h plumbing.Hash, w io.Writer) (Description, error) {
	r, err := m.connect(ctx, url)
	if err != nil {
		return Description{}, err
	}
	// What is there may do: an ancestor of a commit described before.
	d, err := m.walk(ctx, r, url, repo, h)
	if !errors.Is(err, pack.ErrNotFound) {
		return d, err
	}
	if !r.filters() {
		fmt.Fprintf(w, "%s cannot leave trees out: fetching the whole history of %s\n", r.url, h)
	}
	err = m.fetchHistory(ctx, r, url, want{Hashes: []plumbing.Hash{h}})
	if errors.Is(err, errRefused) {
		err = m.fetchHistory(ctx, r, url, want{Hashes: r.tips(true)})
	}
	if err := errors.Join(err, repo.close()); err != nil {
		return Description{}, err
	}
	return m.walk(ctx, r, url, repo, h)
}

func (m *Mirrors) walk(ctx context.Context, r *remote, url string, repo *repository, h plumbing.Hash) (Description, error) {
	if there, err := repo.has(h); !there || err != nil {
		return Description{}, cmp.Or(err, pack.ErrNotFound)
	}
	tags, err := m.tagNames(ctx, r, url, repo)
	if err != nil {
		return Description{}, err
	}
	return walkBack(ctx, repo, h, tags)
}

// tagName is the one tag that stands for a commit.
type tagName struct {
	name      string
	object    plumbing.Hash // of an annotated tag
	annotated bool
}

// tagNames picks a tag for every tagged commit. Only where two annotated tags
// share a commit are their dates needed, and only those tags are fetched.
func (m *Mirrors) tagNames(ctx context.Context, r *remote, url string, repo *repository) (map[plumbing.Hash]tagName, error) {
	byCommit := make(map[plumbing.Hash][]tagName)
	for ref, h := range r.refs {
		name, ok := strings.CutPrefix(ref, "refs/tags/")
		if !ok || !strings.ContainsAny(name, "0123456789") || checkRef(name) != nil {
			continue
		}
		peeled, annotated := r.peeled[ref]
		if !annotated {
			peeled = h
		}
		byCommit[peeled] = append(byCommit[peeled], tagName{name, h, annotated})
	}
	chosen := make(map[plumbing.Hash]tagName)
	tied := make(map[plumbing.Hash][]tagName)
	var missing []plumbing.Hash
	for h, names := range byCommit {
		slices.SortFunc(names, func(a, b tagName) int { return strings.Compare(a.name, b.name) })
		if annotated := slices.DeleteFunc(slices.Clone(names), func(t tagName) bool { return !t.annotated }); len(annotated) > 0 {
			names = annotated
		}
		chosen[h] = names[0]
		reached, err := repo.has(h)
		if err != nil {
			return nil, err
		}
		if len(names) > 1 && names[0].annotated && reached {
			tied[h] = names
			for _, t := range names {
				missing = append(missing, t.object)
			}
		}
	}
	if len(missing) == 0 {
		return chosen, nil
	}
	if err := m.fetchHistory(ctx, r, url, want{Hashes: missing}); err != nil {
		return nil, err
	}
	if err := repo.close(); err != nil {
		return nil, err
	}
	return chosen, youngest(repo, tied, chosen)
}

// youngest sets chosen to the youngest of the tags tied on a commit; of equal
// ones the first by name stays.
func youngest(repo *repository, tied map[plumbing.Hash][]tagName, chosen map[plumbing.Hash]tagName) error {
	for h, names := range tied {
		var best int64
		for i, t := range names {
			content, err := repo.object(plumbing.TagObject, t.object)
			if err != nil {
				return err
			}
			tag, err := parseTag(t.object, content)
			if err != nil {
				return err
			}
			if date := tag.Tagger.When.Unix(); i == 0 || date > best {
				best, chosen[h] = date, t
			}
		}
	}
	return nil
}

// maxCandidates is how many tags git describe compares.
const maxCandidates = 10

// candidate is a tag met on the way back. Every commit it can reach carries
// its bit, and every commit met that does not adds one to its depth.
type candidate struct {
	name  string
	depth int
	bit   uint32
}

type visited struct {
	commit *object.Commit
	bits   uint32
	order  int
}

// byDate is a queue of commits, youngest first, of one age as they came.
type byDate []*visited

func (q byDate) Len() int { return len(q) }
func (q byDate) Less(i, j int) bool {
	a, b := q[i].commit.Committer.When.Unix(), q[j].commit.Committer.When.Unix()
	return a > b || a == b && q[i].order < q[j].order
}
func (q byDate) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *byDate) Push(x any) { *q = append(*q, x.(*visited)) }

// Pop implements heap.Interface.
func (q *byDate) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// describer is git's describe_commit, with its queue and its marks.
type describer struct {
	repo       *repository
	seen       map[plumbing.Hash]*visited
	queue      byDate
	candidates []candidate
	annotated  int
}

func walkBack(ctx context.Context, repo *repository, h plumbing.Hash, tags map[plumbing.Hash]tagName) (Description, error) {
	if t, ok := tags[h]; ok {
		return Description{Tag: t.name, Hash: h.String()}, nil
	}
	d := &describer{repo: repo, seen: make(map[plumbing.Hash]*visited)}
	if err := d.enqueue(h, 0); err != nil {
		return Description{}, err
	}
	for count := 0; len(d.queue) > 0; count++ {
		if err := ctx.Err(); err != nil {
			return Description{}, err
		}
		v := heap.Pop(&d.queue).(*visited)
		if t, ok := tags[v.commit.Hash]; ok {
			if len(d.candidates) == maxCandidates {
				heap.Push(&d.queue, v)
				break
			}
			d.meet(t, v, count)
		}
		d.deepen(v)
		if d.settled(v) {
			break
		}
		if err := d.parents(v); err != nil {
			return Description{}, err
		}
	}
	if len(d.candidates) == 0 {
		return Description{}, ErrNoTag
	}
	best := slices.MinFunc(d.candidates, func(a, b candidate) int { return a.depth - b.depth })
	if err := d.finish(ctx, &best); err != nil {
		return Description{}, err
	}
	return Description{Tag: best.name, Distance: best.depth, Hash: h.String()}, nil
}

func (d *describer) meet(t tagName, v *visited, count int) {
	bit := uint32(1) << len(d.candidates)
	d.candidates = append(d.candidates, candidate{t.name, count, bit})
	v.bits |= bit
	if t.annotated {
		d.annotated++
	}
}

func (d *describer) deepen(v *visited) {
	for i := range d.candidates {
		if v.bits&d.candidates[i].bit == 0 {
			d.candidates[i].depth++
		}
	}
}

// settled reports whether the last way back is covered by the best candidates.
func (d *describer) settled(v *visited) bool {
	if d.annotated == 0 || len(d.queue) > 0 {
		return false
	}
	best, within := d.candidates[0].depth, uint32(0)
	for _, c := range d.candidates {
		switch {
		case c.depth < best:
			best, within = c.depth, c.bit
		case c.depth == best:
			within |= c.bit
		}
	}
	return v.bits&within == within
}

func (d *describer) enqueue(h plumbing.Hash, bits uint32) error {
	v, ok := d.seen[h]
	if !ok {
		c, err := d.repo.commit(h)
		if err != nil {
			return err
		}
		v = &visited{commit: c, order: len(d.seen)}
		d.seen[h] = v
		heap.Push(&d.queue, v)
	}
	v.bits |= bits
	return nil
}

func (d *describer) parents(v *visited) error {
	for _, h := range v.commit.ParentHashes {
		if err := d.enqueue(h, v.bits); err != nil {
			return err
		}
	}
	return nil
}

// finish counts on until all that is left is reachable from the best tag.
func (d *describer) finish(ctx context.Context, best *candidate) error {
	for len(d.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := heap.Pop(&d.queue).(*visited)
		if v.bits&best.bit == 0 {
			best.depth++
		} else if !slices.ContainsFunc(d.queue, func(o *visited) bool { return o.bits&best.bit == 0 }) {
			return nil
		}
		if err := d.parents(v); err != nil {
			return err
		}
	}
	return nil
}
