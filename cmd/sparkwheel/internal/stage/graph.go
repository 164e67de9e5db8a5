package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Run runs all stages that are not done yet, at most jobs at once, those added
// first before others, and returns when none runs any more. The first failure
// ends the context of the rest and is returned as an *Error; stages that were
// done stay done, so that Run may be called again. When ctx ends, Run's error
// wraps its cause.
//
// After a success the stages' context lives on until ctx ends: values may read
// lazily through it (a registry's image fetches layers with it).
func (g *Graph) Run(ctx context.Context, jobs int, rep Reporter) error {
	if err := g.check(); err != nil {
		return err
	}
	r := &runner{graph: g, reports: &reports{to: rep, clock: g.clock()}, results: make(chan result)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for {
		for len(r.running) < max(jobs, 1) && r.first == nil && ctx.Err() == nil && r.start() {
		}
		if len(r.running) == 0 {
			break
		}
		if r.finish(<-r.results); r.first != nil {
			r.cancel()
		}
	}
	switch {
	case ctx.Err() != nil && (r.first != nil || !g.finished()):
		return r.interrupted(ctx)
	case r.first != nil:
		return r.first
	}
	return nil
}

func (g *Graph) clock() func() time.Time {
	if g.Clock != nil {
		return g.Clock
	}
	return time.Now
}

func (g *Graph) finished() bool {
	for _, n := range g.nodes {
		if !n.finished() {
			return false
		}
	}
	return true
}

// check refuses what would never start or would share a log.
func (g *Graph) check() error {
	mine := map[*node]bool{}
	logs := map[string]string{}
	for _, n := range g.nodes {
		if other, ok := logs[logName(n.name)]; ok {
			return fmt.Errorf("adding stage %q: the name is too similar to that of stage %q", n.name, other)
		}
		logs[logName(n.name)] = n.name
		mine[n] = true
		n.begun = n.finished()
		for _, need := range n.needs {
			if !mine[need] && !need.finished() {
				return fmt.Errorf("stage %q needs %q, which is in another graph and not done", n.name, need.name)
			}
		}
	}
	return nil
}

// result is how a stage's run ended.
type result struct {
	node *node
	run  *Run
	err  error
}

// runner is the state of one Graph.Run, touched by its goroutine only.
type runner struct {
	graph   *Graph
	ctx     context.Context //nolint:containedctx // of one run: the stages', which ends at the first failure
	cancel  context.CancelFunc
	reports *reports
	results chan result
	running []string // names, in the order of their start
	stopped []string // those that were stopped by an interrupt
	first   error
}

// start starts the first ready stage; false when there is none.
func (r *runner) start() bool {
	for _, n := range r.graph.nodes {
		if !n.ready() {
			continue
		}
		n.begun = true
		r.running = append(r.running, n.name)
		run := newRun(n.name, r.graph.Logs, r.reports)
		go func() {
			err := n.run(withRun(r.ctx, run), run)
			r.results <- result{n, run, errors.Join(err, run.close(err))}
		}()
		return true
	}
	return false
}

// finish notes how a stage ended.
func (r *runner) finish(res result) {
	for i, name := range r.running {
		if name == res.node.name {
			r.running = append(r.running[:i], r.running[i+1:]...)
			break
		}
	}
	switch {
	case res.err == nil:
		close(res.node.done)
		res.run.event(Event{Kind: Done})
	case r.ctx.Err() != nil:
		// Whatever a stage says after its context ended is an echo of that.
		r.stopped = append(r.stopped, res.node.name)
		if r.first == nil {
			r.first = &Error{res.node.name, res.run.logPath(), res.err}
		}
		res.run.event(Event{Kind: Canceled})
	default:
		r.first = &Error{res.node.name, res.run.logPath(), res.err}
		res.run.event(Event{Kind: Failed, Text: res.err.Error()})
	}
}

func (r *runner) interrupted(ctx context.Context) error {
	return &InterruptedError{r.stopped, context.Cause(ctx)}
}

// InterruptedError is the error of Run whose context ended before all stages did.
type InterruptedError struct {
	Stages []string // that ran at that time, in the order in which they stopped; maybe none
	Cause  error    // of the context
}

func (e *InterruptedError) Error() string {
	if len(e.Stages) == 0 {
		return fmt.Sprintf("interrupted before all stages ran (%v)", e.Cause)
	}
	return fmt.Sprintf("interrupted while running %s (%v)", strings.Join(e.Stages, ", "), e.Cause)
}

func (e *InterruptedError) Unwrap() error { return e.Cause }
