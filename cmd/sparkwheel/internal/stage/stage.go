// Package stage runs a graph of named steps, each once and after the steps that
// it needs. Add makes a step, Graph.Run runs them, Stage.Value is what one made.
// Graph.Look says, without running any, what steps added by AddKeyed would find.
package stage

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Need is a stage that another one waits for. Only *Stage is one.
type Need interface {
	node() *node
}

// Stage is a step of a graph that makes a T.
type Stage[T any] struct {
	n     *node
	value T
	ahead func() (T, error)
}

var _ Need = (*Stage[int])(nil)

func (s *Stage[T]) node() *node { return s.n }

// Value is what the stage made. It may be read by the stages that need this one
// and by anyone once Run has returned; before the stage is done it panics.
func (s *Stage[T]) Value() T {
	select {
	case <-s.n.done:
		return s.value
	default:
		panic("stage " + s.n.name + " was read before it was done")
	}
}

// node is a stage without the type of its value. All fields but done are
// touched only by Add and by the goroutine of Graph.Run.
type node struct {
	name  string
	run   func(context.Context, *Run) error
	look  func() ([]Look, error) // nil for a stage whose result is not kept
	needs []*node
	begun bool
	done  chan struct{} // closed when the value is there
}

func (n *node) finished() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

func (n *node) ready() bool {
	return !n.begun && !slices.ContainsFunc(n.needs, func(need *node) bool { return !need.finished() })
}

// Graph is a set of stages. The zero Graph is ready for use, keeps no logs and
// takes the time from the system.
type Graph struct {
	Logs  string           // directory for the stages' logs, made when needed; "" keeps none
	Clock func() time.Time // nil means time.Now

	nodes []*node
}

// Add puts a stage into g. run gets a context that ends when the run is
// interrupted or another stage fails, and may read the values of needs. Since a
// stage can only need what was added before it, no cycle can be written. Names
// must differ in a graph; Run says so when they do not. A need may stand in
// another graph if that one has run before.
func Add[T any](g *Graph, name string, run func(ctx context.Context, r *Run) (T, error), needs ...Need) *Stage[T] {
	s := &Stage[T]{n: &node{name: name, done: make(chan struct{})}}
	s.ahead = func() (v T, err error) { return v, &WaitingError{name + " runs first"} }
	s.n.run = func(ctx context.Context, r *Run) (err error) {
		s.value, err = run(ctx, r)
		return err
	}
	for _, need := range needs {
		s.n.needs = append(s.n.needs, need.node())
	}
	g.nodes = append(g.nodes, s.n)
	return s
}

// Error is the failure of one stage.
type Error struct {
	Name string
	Log  string // the stage's log file, "" when it wrote none
	Err  error
}

func (e *Error) Error() string {
	if e.Log == "" {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s: %v\nfull log: %s", e.Name, e.Err, e.Log)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
