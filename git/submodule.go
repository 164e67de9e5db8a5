package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// maxSubmoduleDepth ends chains of submodules that never end.
const maxSubmoduleDepth = 10

// planner reads a commit and the submodules asked for, fetching what is missing.
type planner struct {
	mirrors   *Mirrors
	strangers *Mirrors // for what a tree names
	opt       CheckoutOptions
	w         io.Writer
	mu        sync.Mutex // guards w and repos
	repos     []*repository
	used      []atomic.Bool
	stage     *stage
	budget    *budget
	received  atomic.Int64
}

func newPlanner(m *Mirrors, opt CheckoutOptions, s *stage, w io.Writer) *planner {
	strangers := *m
	strangers.Local = "" // a tree names nothing on this host
	return &planner{
		mirrors: m, strangers: &strangers, opt: opt, w: w, stage: s,
		used: make([]atomic.Bool, len(opt.Submodules)), budget: newBudget(opt.Limits),
	}
}

// site is a commit and its place in the whole tree.
type site struct {
	url    string
	commit Commit
	ref    string // may be empty
	path   string
	depth  int // of submodules
}

// Write lets several fetches report on one writer.
func (p *planner) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Write(b)
}

// opened remembers a repository to close.
func (p *planner) opened(r *repository) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.repos = append(p.repos, r)
}

func (p *planner) close() error {
	var errs []error
	for _, r := range p.repos {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

func (p *planner) plan(ctx context.Context, s site) (*planned, error) {
	from := p.mirrors
	if s.depth > 0 {
		from = p.strangers
	}
	n, err := from.fetch(ctx, Source{URL: s.url, Ref: s.ref}, s.commit, p, p.stage.sink(s.url))
	p.received.Add(n)
	if err != nil {
		return nil, err
	}
	repo, err := from.mirror(s.url)
	if err != nil {
		return nil, err
	}
	p.opened(repo)
	object, err := repo.commit(plumbing.NewHash(s.commit.Hash))
	if err != nil {
		return nil, err
	}
	t := &planned{repo: repo, commit: commitValue(object), url: s.url, path: s.path, links: make(map[string]plumbing.Hash)}
	trees := measuring{planned: t, limits: p.budget.limits, stage: p.stage, known: make(map[plumbing.Hash]*measured)}
	whole, err := trees.measure(ctx, object.TreeHash, "", 0)
	if err == nil {
		err = p.budget.take(s.path, whole.paths, whole.bytes)
	}
	if err != nil {
		return nil, err
	}
	t.walk(whole, trees.known, "")
	if len(p.opt.Submodules) == 0 || len(t.links) == 0 {
		return t, nil
	}
	if s.depth == maxSubmoduleDepth {
		return nil, fmt.Errorf("the submodules at %s are nested more than %d deep", s.path, maxSubmoduleDepth)
	}
	return t, p.submodules(ctx, t, s.depth)
}

// submodules plans the gitlinks of t that are asked for, in parallel.
func (p *planner) submodules(ctx context.Context, t *planned, depth int) error {
	var taken []string
	for link := range t.links {
		if p.takes(path.Join(t.path, link)) {
			taken = append(taken, link)
		}
	}
	slices.Sort(taken)
	if len(taken) == 0 {
		return nil
	}
	urls, err := t.submoduleURLs()
	if err != nil {
		return err
	}
	base, err := p.mirrors.submoduleBase(ctx, t.url)
	if err != nil {
		return err
	}
	// All are looked at before the first is begun: what is begun is waited for.
	for _, link := range taken {
		at := path.Join(t.path, link)
		if _, ok := urls[link]; !ok {
			return fmt.Errorf("the submodule %s has no URL in .gitmodules", at)
		}
		if err := p.budget.takeSubmodule(at); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opt.Jobs)
	t.subs = make([]*planned, len(taken))
	for i, link := range taken {
		at := path.Join(t.path, link)
		g.Go(func() error {
			next, err := p.submodule(at, base, urls[link], t.links[link].String())
			if err == nil {
				next.depth = depth + 1
				t.subs[i], err = p.plan(ctx, next)
			}
			if err != nil {
				return fmt.Errorf("submodule %s: %w", at, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// submodule is where the submodule at a path is taken from.
func (p *planner) submodule(at, base, url, link string) (site, error) {
	r, ok := p.opt.Replace[at]
	if !ok {
		full, err := relativeURL(base, url)
		return site{url: full, commit: Commit{Hash: link}, path: at}, err
	}
	return site{url: r.URL, ref: r.Ref, commit: Commit{Hash: cmp.Or(r.Commit, link)}, path: at}, nil
}

// checkReplaced reports a replacement of what is no submodule that is written.
func (p *planner) checkReplaced(root *planned) error {
	written := map[string]bool{}
	for _, t := range root.below() {
		written[t.path] = true
	}
	for _, at := range slices.Sorted(maps.Keys(p.opt.Replace)) {
		if !written[at] {
			return fmt.Errorf("%s is not a submodule that is written; those are %s", at, cmp.Or(strings.Join(slices.Sorted(maps.Keys(written)), ", "), "none"))
		}
	}
	return nil
}

// submoduleBase is the URL that the submodules of a repository are relative to.
// As git has it, that of a checkout on this host is where it was cloned from.
func (m *Mirrors) submoduleBase(ctx context.Context, url string) (string, error) {
	if !isLocal(url) || m.Git == nil {
		return url, nil
	}
	t, err := m.worktree(url)
	if err != nil {
		return "", err
	}
	origin, err := t.git(ctx, nil, "config", "--default", url, "--get", "remote.origin.url")
	if err != nil {
		return "", fmt.Errorf("finding where %s was cloned from: %w", t.dir, err)
	}
	return origin, nil
}

// takes reports whether the submodule at a path is asked for: by its own path,
// by that of a submodule above it, or because one below it is.
func (p *planner) takes(at string) bool {
	taken := false
	for i, want := range p.opt.Submodules {
		want = path.Clean(want)
		if want == "*" || want == at || strings.HasPrefix(at, want+"/") || strings.HasPrefix(want, at+"/") {
			taken = true
			if want == at || want == "*" {
				p.used[i].Store(true)
			}
		}
	}
	return taken
}

// checkUsed reports a named path that is neither a submodule nor a directory.
func (p *planner) checkUsed(root *planned) error {
	for i, want := range p.opt.Submodules {
		if want == "*" || p.used[i].Load() || slices.Contains(root.dirs, path.Clean(want)) {
			continue
		}
		var have []string
		for _, t := range append([]*planned{root}, root.below()...) {
			for link := range t.links {
				have = append(have, path.Join(t.path, link))
			}
		}
		slices.Sort(have)
		return fmt.Errorf("the tree does not have the submodule %s; it has %s", want, cmp.Or(strings.Join(have, ", "), "none"))
	}
	return nil
}

// submoduleURLs reads the URL of each path in .gitmodules.
func (p *planned) submoduleURLs() (map[string]string, error) {
	urls := make(map[string]string)
	i := slices.IndexFunc(p.files, func(f plannedFile) bool { return f.path == ".gitmodules" })
	if i < 0 {
		return urls, nil
	}
	raw, err := p.repo.object(plumbing.BlobObject, p.files[i].hash)
	if err != nil {
		return nil, err
	}
	modules := config.NewModules()
	if err := modules.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("reading .gitmodules: %w", err)
	}
	for _, s := range modules.Submodules {
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("reading .gitmodules: submodule %q: %w", s.Name, err)
		}
		if strings.HasPrefix(s.Path, "-") || strings.HasPrefix(s.Name, "-") {
			return nil, fmt.Errorf("reading .gitmodules: submodule %q at %q begins with a dash", s.Name, s.Path)
		}
		urls[path.Clean(s.Path)] = s.URL
	}
	return urls, nil
}
