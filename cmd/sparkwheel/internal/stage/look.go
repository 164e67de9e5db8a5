package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Look says of one part of a stage's result whether it is kept from an earlier
// run, and if not, why not.
type Look struct {
	Name         string  `json:"name"`
	Key          string  `json:"key"` // "" while a stage before it has to run
	Hit          bool    `json:"hit"`
	Reason       string  `json:"reason"`         // of a miss: which inputs changed
	BytesToFetch int64   `json:"bytes_to_fetch"` // of files whose size the lock tells
	LastSeconds  float64 `json:"last_seconds"`   // what it, or its last version, took
	// Objects are how many objects it, or its last version, compiled, and
	// CUDAObjects how many of them for a GPU; 0 where none were recorded.
	Objects     int `json:"objects,omitempty"`
	CUDAObjects int `json:"cuda_objects,omitempty"`
}

// WaitingError says why something cannot be known before a stage has run.
type WaitingError struct{ Reason string }

func (e *WaitingError) Error() string { return e.Reason }

// Ahead is what can be said of a stage before it runs, without running
// anything. Both may use Stage.Ahead of the stages that this one needs, and
// pass on its *WaitingError.
type Ahead[T any] struct {
	Look  func() ([]Look, error) // the parts of the result that are kept
	Value func() (T, error)      // what the stage will make, as far as others' keys need it; nil: nothing is known
}

// AddKeyed is Add for a stage whose result is kept between runs under keys that
// are known before it runs: its run must keep it under those that Look tells.
func AddKeyed[T any](g *Graph, name string, ahead Ahead[T], run func(ctx context.Context, r *Run) (T, error), needs ...Need) *Stage[T] {
	s := Add(g, name, run, needs...)
	s.n.look = ahead.Look
	if ahead.Value != nil {
		s.ahead = sync.OnceValues(ahead.Value)
	}
	return s
}

// Ahead is what the stage made when it is done, else what it will make as far
// as that is known before it runs; a *WaitingError when nothing is.
func (s *Stage[T]) Ahead() (T, error) {
	if s.n.finished() {
		return s.value, nil
	}
	return s.ahead()
}

// Look looks at every stage that was added by AddKeyed, in the order of their
// addition, and runs none. A part whose key waits for another stage is a miss
// with that reason.
func (g *Graph) Look() ([]Look, error) {
	var all []Look
	for _, n := range g.nodes {
		if n.look == nil {
			continue
		}
		looks, err := n.look()
		if waiting, ok := errors.AsType[*WaitingError](err); ok {
			looks, err = []Look{{Name: n.name, Reason: waiting.Reason}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.name, err)
		}
		all = append(all, looks...)
	}
	return all, nil
}

// Part is the graph of only those stages of g that the given ones need,
// themselves included. The stages are the same: what Part runs is done in g.
func (g *Graph) Part(of ...Need) *Graph {
	wanted := map[*node]bool{}
	var want func(n *node)
	want = func(n *node) {
		if !wanted[n] {
			wanted[n] = true
			for _, need := range n.needs {
				want(need)
			}
		}
	}
	for _, need := range of {
		want(need.node())
	}
	nodes := slices.DeleteFunc(slices.Clone(g.nodes), func(n *node) bool { return !wanted[n] })
	return &Graph{Logs: g.Logs, Clock: g.Clock, nodes: nodes}
}
