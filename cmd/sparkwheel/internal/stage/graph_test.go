package stage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// heard keeps events as short lines.
type heard []string

func (h *heard) Report(e stage.Event) {
	s := fmt.Sprintf("%s %s", e.Stage, e.Kind)
	if e.Text != "" {
		s += " " + e.Text
	}
	if e.Kind == stage.Progress {
		s += fmt.Sprintf(" %d/%d", e.Done, e.Total)
	}
	if e.Elapsed > 0 {
		s += " +" + e.Elapsed.String()
	}
	*h = append(*h, s)
}

// takes is a stage that takes d and makes v.
func takes[T any](d time.Duration, v T) func(context.Context, *stage.Run) (T, error) {
	return func(ctx context.Context, _ *stage.Run) (T, error) {
		select {
		case <-time.After(d):
			return v, nil
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

func TestRunOrdersByNeedAndThenByAddition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g stage.Graph
		slow := stage.Add(&g, "slow", takes(3*time.Second, 40))
		quick := stage.Add(&g, "quick", takes(time.Second, 2))
		sum := stage.Add(&g, "sum", func(context.Context, *stage.Run) (int, error) {
			return slow.Value() + quick.Value(), nil
		}, slow, quick)
		stage.Add(&g, "after quick", takes(time.Second, 0), quick)
		stage.Add(&g, "later", takes(time.Second, 0))
		var got heard
		if err := g.Run(t.Context(), 2, &got); err != nil {
			t.Fatal(err)
		}
		want := heard{
			"slow start", "quick start",
			"quick done +1s", "after quick start",
			"after quick done +1s", "later start",
		}
		// slow and later end in the same instant.
		if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if sum.Value() != 42 {
			t.Errorf("sum = %d", sum.Value())
		}
	})
}

func TestRunCancelsTheRestAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := stage.Graph{Logs: t.TempDir()}
		cause := errors.New("no such ref")
		kept := stage.Add(&g, "kept", takes(time.Second, "kept"))
		broken := true
		stage.Add(&g, "fetch vllm", func(_ context.Context, r *stage.Run) (int, error) {
			time.Sleep(2 * time.Second)
			fmt.Fprint(r, "asking\nthe remote")
			if broken {
				return 0, cause
			}
			return 1, nil
		})
		long := stage.Add(&g, "long", takes(time.Hour, "long"))
		stage.Add(&g, "never", takes(0, 0), long)
		var got heard
		err := g.Run(t.Context(), 8, &got)
		failure, ok := errors.AsType[*stage.Error](err)
		if !ok || !errors.Is(err, cause) {
			t.Fatalf("Run: %v", err)
		}
		wantLog := filepath.Join(g.Logs, "fetch-vllm.log")
		if failure.Name != "fetch vllm" || failure.Log != wantLog {
			t.Errorf("error names %q and %q", failure.Name, failure.Log)
		}
		for _, part := range []string{"fetch vllm", "no such ref", wantLog} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
		log, err := os.ReadFile(wantLog)
		if want := "asking\nthe remote\nsparkwheel: no such ref\n"; err != nil || string(log) != want {
			t.Errorf("log is %q, %v; want %q", log, err, want)
		}
		want := heard{
			"kept start", "fetch vllm start", "long start",
			"kept done +1s",
			"fetch vllm log asking +2s", "fetch vllm log the remote +2s", "fetch vllm failed no such ref +2s",
			"long canceled +2s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if kept.Value() != "kept" {
			t.Error("the independent stage lost its value")
		}

		broken, got = false, nil
		if err := g.Run(t.Context(), 8, &got); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(got, "\n"), "kept") {
			t.Errorf("the second run repeated a done stage: %q", got)
		}
	})
}

func TestRunInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g stage.Graph
		ended := false
		stage.Add(&g, "child", func(ctx context.Context, _ *stage.Run) (int, error) {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // the child's own end is waited for
			ended = true
			return 0, errors.New("signal: killed")
		})
		stage.Add(&g, "waiting", takes(0, 0))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("interrupt"))
		defer cancel()
		err := g.Run(ctx, 1, nil)
		if err == nil || err.Error() != "interrupted while running child (interrupt)" || !ended {
			t.Errorf("Run: %v, child ended: %v", err, ended)
		}
	})
}

func TestRunLimitsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g stage.Graph
		var now, most atomic.Int32
		for i := range 20 {
			stage.Add(&g, fmt.Sprint(i), func(context.Context, *stage.Run) (int, error) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Second)
				now.Add(-1)
				return 0, nil
			})
		}
		began := time.Now()
		if err := g.Run(t.Context(), 4, nil); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 4 || time.Since(began) != 5*time.Second {
			t.Errorf("%d at once, %v in all", most.Load(), time.Since(began))
		}
	})
}

func TestRunTwoGraphs(t *testing.T) {
	t.Parallel()
	var fetch, build stage.Graph
	tree := stage.Add(&fetch, "tree", takes(0, "src"))
	wheel := stage.Add(&build, "wheel", func(context.Context, *stage.Run) (string, error) {
		return tree.Value() + ".whl", nil
	}, tree)
	if err := build.Run(t.Context(), 1, nil); err == nil || !strings.Contains(err.Error(), "not done") {
		t.Errorf("Run before its need: %v", err)
	}
	if err := fetch.Run(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := build.Run(t.Context(), 1, nil); err != nil || wheel.Value() != "src.whl" {
		t.Errorf("Run: %v", err)
	}
}

func TestRunRefusesLikeNames(t *testing.T) {
	t.Parallel()
	var g stage.Graph
	stage.Add(&g, "wheel a/b", takes(0, 0))
	stage.Add(&g, "wheel a b", takes(0, 0))
	if err := g.Run(t.Context(), 1, nil); err == nil {
		t.Error("two stages would share a log")
	}
}

// TestContextOutlivesRun holds what lazy values need: an image that a stage
// opened reads its layers after the stage, and after Run.
func TestContextOutlivesRun(t *testing.T) {
	t.Parallel()
	var g stage.Graph
	var kept context.Context
	stage.Add(&g, "open", func(ctx context.Context, _ *stage.Run) (int, error) {
		kept = ctx //nolint:fatcontext // is what is tested
		return 0, nil
	})
	if err := g.Run(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	if kept.Err() != nil {
		t.Errorf("after a success the stage's context has ended: %v", kept.Err())
	}
}

func TestValueBeforeDonePanics(t *testing.T) {
	t.Parallel()
	var g stage.Graph
	s := stage.Add(&g, "early", takes(0, 0))
	defer func() {
		if recover() == nil {
			t.Error("Value gave something before the stage was done")
		}
	}()
	s.Value()
}
