package pack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"golang.org/x/sync/errgroup"
)

// maxChain is how many deltas may stand on each other, as in git.
const maxChain = 4095

// resolver finds the hashes of deltas, from their bases upwards.
type resolver struct {
	s        *scanner
	children map[int][]int // by the base's place in entries

	mu    sync.Mutex
	byRef map[plumbing.Hash][]int // REF_DELTAs whose base was not met yet
	left  int
}

// resolve hashes every delta of the pack, bases in parallel.
func resolve(ctx context.Context, s *scanner) error {
	r := &resolver{s: s, children: make(map[int][]int), byRef: make(map[plumbing.Hash][]int)}
	for i, e := range s.entries {
		switch e.header.Type {
		case plumbing.OFSDeltaObject:
			r.children[e.base] = append(r.children[e.base], i)
		case plumbing.REFDeltaObject:
			r.byRef[e.header.Ref] = append(r.byRef[e.header.Ref], i)
		default:
			continue
		}
		r.left++
	}
	if r.left == 0 {
		return nil
	}
	var roots []int
	for i, e := range s.entries {
		if !e.header.Type.IsDelta() && (len(r.children[i]) > 0 || len(r.byRef[e.hash]) > 0) {
			roots = append(roots, i)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range roots {
		g.Go(func() error {
			content, err := r.read(new(inflater), bufio.NewReaderSize(nil, 1<<14), i)
			if err != nil {
				return err
			}
			return r.tree(gctx, i, content)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if r.left > 0 && s.opt.Base != nil {
		if err := r.complete(ctx); err != nil {
			return err
		}
	}
	if r.left > 0 {
		return fmt.Errorf("the bases of %d deltas are missing", r.left)
	}
	return nil
}

// claim returns the deltas on the object at place i, each once.
func (r *resolver) claim(i int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.s.entries[i].hash
	on := slices.Concat(r.children[i], r.byRef[h])
	delete(r.byRef, h)
	r.left -= len(on)
	return on
}

// pending is an object whose deltas are still to be resolved.
type pending struct {
	content []byte
	on      []int
	depth   int
}

// tree resolves all deltas that stand on the object at place i. The content of
// a base is let go with its last delta, so a chain holds two at a time.
func (r *resolver) tree(ctx context.Context, i int, content []byte) error {
	var z inflater
	in := bufio.NewReaderSize(nil, 1<<14)
	stack := []pending{{content, r.claim(i), 0}}
	for len(stack) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		top := &stack[len(stack)-1]
		if len(top.on) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		child, base, depth := top.on[0], top.content, top.depth+1
		if top.on = top.on[1:]; len(top.on) == 0 {
			stack = stack[:len(stack)-1]
		}
		if depth > maxChain {
			return fmt.Errorf("a chain of more than %d deltas", maxChain)
		}
		delta, err := r.read(&z, in, child)
		if err != nil {
			return err
		}
		content, err := apply(base, delta)
		if err != nil {
			return err
		}
		e := &r.s.entries[child]
		e.kind = r.s.entries[i].kind
		e.hash = plumbing.ComputeHash(e.kind, content)
		if on := r.claim(child); len(on) > 0 {
			stack = append(stack, pending{content, on, depth})
		}
	}
	return nil
}

// read inflates the object at place i from the file.
func (r *resolver) read(z *inflater, in *bufio.Reader, i int) ([]byte, error) {
	offset := r.s.entries[i].offset
	in.Reset(io.NewSectionReader(r.s.file, offset, 1<<62))
	h, err := readHeader(in, offset)
	if err != nil {
		return nil, err
	}
	return z.whole(in, h.Size, nil)
}

// apply makes an object of its base and a delta.
func apply(base, delta []byte) ([]byte, error) {
	if len(base) == 0 {
		return nil, errors.New("the base of a delta is an empty object")
	}
	return packfile.PatchDelta(base, delta)
}
