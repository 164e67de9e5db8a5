package pipeline

import (
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// PushProgress adds up what a push tells of its blobs.
func PushProgress(run *stage.Run) func(registry.BlobProgress) {
	var mu sync.Mutex
	blobs := map[v1.Hash]registry.BlobProgress{}
	return func(p registry.BlobProgress) {
		mu.Lock()
		defer mu.Unlock()
		blobs[p.Digest] = p
		var done, total int64
		for _, b := range blobs {
			done, total = done+b.Done, total+b.Total
		}
		run.Progress(done, total)
		if p.How != "" {
			logf(run, "%s %s (%d bytes)", p.Digest, p.How, p.Total)
		}
	}
}
