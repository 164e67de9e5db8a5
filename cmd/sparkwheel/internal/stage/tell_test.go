package stage_test

import (
	"context"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

type notes []string

func (n *notes) Report(e stage.Event) {
	if e.Kind == stage.Note {
		*n = append(*n, e.Stage+": "+e.Text)
	}
}

// What works for a stage speaks for it, while it runs and no longer.
func TestTell(t *testing.T) {
	t.Parallel()
	var got notes
	var late context.Context
	g := new(stage.Graph)
	stage.Add(g, "push", func(ctx context.Context, _ *stage.Run) (int, error) {
		late = ctx //nolint:fatcontext // is what is tested
		if !stage.Tell(ctx, "trying %s again\x1b[2J", "it") {
			t.Error("a stage that runs was not heard")
		}
		return 0, nil
	})
	if err := g.Run(t.Context(), 1, &got); err != nil {
		t.Fatal(err)
	}
	if stage.Tell(late, "too late") || stage.Tell(t.Context(), "no stage") {
		t.Error("heard without a stage")
	}
	if len(got) != 1 || got[0] != "push: trying it again" {
		t.Errorf("told %q", got)
	}
}
