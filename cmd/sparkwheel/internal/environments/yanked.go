package environments

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// NoteYanked warns of pinned wheels that were withdrawn upstream since, or that
// are pinned by an exact version (PEP 592): uv takes no others. An index that
// does not answer has nothing to say.
func NoteYanked(ctx context.Context, env host.Env, pins []index.Pin, run *stage.Run) {
	reasons := make([]string, len(pins))
	var g errgroup.Group
	g.SetLimit(8)
	for i, pin := range pins {
		g.Go(func() error {
			files, err := env.Index.Files(ctx, pin.Name)
			if err != nil {
				host.Logf(run, "checking whether %s was yanked: %v", pin.File, err)
				return nil
			}
			at := slices.IndexFunc(files, func(f index.File) bool { return f.SHA256 == pin.SHA256 })
			if at >= 0 && files[at].Yanked {
				reasons[i] = cmp.Or(files[at].YankedReason, "no reason given")
			}
			return nil
		})
	}
	_ = g.Wait()
	for i, reason := range reasons {
		if reason != "" {
			run.Note("%s is pinned but was yanked upstream: %s", pins[i].File, reason)
		}
	}
}
