package main

import (
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// pushBars shows each blob of a push as a stage of its own, beside those of
// the graph that pushes.
type pushBars struct {
	mu      sync.Mutex
	display progress.Display
	began   map[v1.Hash]time.Time
}

// Report passes on what the graph tells; blobs are told from other goroutines.
func (b *pushBars) Report(e stage.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.display.Report(e)
}

// blob hears of one blob's bytes.
func (b *pushBars) blob(p registry.BlobProgress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	e := stage.Event{Stage: "layer " + p.Digest.Hex[:12], Time: now, Done: p.Done, Total: p.Total}
	tell := func(kind stage.Kind, text string) {
		e.Kind, e.Text = kind, text
		b.display.Report(e)
	}
	began, ok := b.began[p.Digest]
	if !ok {
		began = now
		b.began[p.Digest] = now
		tell(stage.Start, "")
	}
	e.Elapsed = now.Sub(began)
	switch p.How {
	case "":
		tell(stage.Progress, "")
	case registry.Sent:
		tell(stage.Progress, "")
		tell(stage.Done, "")
	default:
		tell(stage.Note, p.How+" at the registry")
		tell(stage.Done, "")
	}
}
