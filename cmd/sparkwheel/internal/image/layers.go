// Package image owns the image above the base: which wheels share a layer, the
// layers of wheels, files and notes, the configuration, and how strictly the
// whole is judged.
package image

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// Blobs are the blobs of layers, in their order.
func Blobs(layers []Layer) []*layer.Blob {
	var all []*layer.Blob
	for _, l := range layers {
		all = append(all, l.Blob)
	}
	return all
}

// atOnce is how many layers are written at the same time: enough that the one
// thread which a large file of one of them takes leaves no core idle, and few
// enough that what is on its way stays small on a host of many cores.
const atOnce = 4

// Place is where wheels go: how they are installed, and what is below them.
type Place struct {
	Scheme install.Scheme
	Below  layer.Shape // of the base
}

// Write writes a layer for each group, several at once, the largest first
// so that none is left for the end, and answers them in the groups' order.
func Write(ctx context.Context, env host.Env, at Place, groups [][]Member, run *stage.Run) ([]Layer, error) {
	env = env.Noting(run)
	jobs := max(env.Jobs, 1)
	env.Jobs = max(jobs/atOnce, min(jobs, 2))
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(size(groups[j]), size(groups[i])) })
	layers := make([]Layer, len(groups))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(jobs, atOnce))
	for _, i := range order {
		g.Go(func() (err error) {
			layers[i], err = groupLayer(ctx, env, at, groups[i])
			if err == nil {
				host.Logf(run, "layer %d of %d: %s", i+1, len(groups), host.Count(len(groups[i]), "wheel"))
			}
			return err
		})
	}
	return layers, g.Wait()
}

// Layer is a layer of the image that this build made.
type Layer struct {
	Blob   *layer.Blob
	Wheels []string
}
