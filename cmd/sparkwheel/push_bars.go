package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// pushBars shows each blob of a push as a stage of its own, beside those of
// the graph that pushes.
type pushBars struct {
	mu      sync.Mutex
	display progress.Display
	names   map[v1.Hash]string
	began   map[v1.Hash]time.Time
}

func newPushBars(display progress.Display) *pushBars {
	return &pushBars{display: display, began: map[v1.Hash]time.Time{}}
}

// push sends img to tag and shows each of its blobs.
func (b *pushBars) push(ctx context.Context, client *registry.Client, tag name.Tag, img v1.Image) (pushed registry.Pushed, err error) {
	if b.names, err = blobNames(img); err != nil {
		return pushed, err
	}
	pushed, err = client.Push(ctx, tag, img, b.blob)
	if blob, ok := errors.AsType[*registry.BlobError](err); ok {
		return pushed, &blobError{b.names[blob.Digest], err}
	}
	return pushed, err
}

// blobError says what is in the blob that a registry did not take.
type blobError struct {
	what string
	err  error
}

func (e *blobError) Error() string { return e.what + ": " + e.err.Error() }
func (e *blobError) Unwrap() error { return e.err }

// blobNames are the blobs of img by what is in them.
func blobNames(img v1.Image) (map[v1.Hash]string, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	names := map[v1.Hash]string{manifest.Config.Digest: blobName("config", manifest.Config.Digest)}
	comments := layer.Comments(manifest, config)
	for i, d := range manifest.Layers {
		what := "layer"
		if wheels := strings.Fields(comments[i]); len(wheels) > 0 {
			what = distribution(wheels[0])
			if len(wheels) > 1 {
				what = fmt.Sprintf("%s +%d", what, len(wheels)-1)
			}
		}
		names[d.Digest] = blobName(what, d.Digest)
	}
	return names, nil
}

// blobName tells one blob from another also where both hold the same.
func blobName(what string, digest v1.Hash) string { return what + " " + digest.Hex[:12] }

// distribution is NAME-VERSION of a wheel's file name.
func distribution(file string) string {
	parts := strings.SplitN(strings.TrimSuffix(file, ".whl"), "-", 3)
	return strings.Join(parts[:min(2, len(parts))], "-")
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
	e := stage.Event{Stage: b.names[p.Digest], Time: now, Done: p.Done, Total: p.Total}
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
	switch {
	case p.Fault != nil:
		tell(stage.Note, p.Fault.Error()+"; trying again")
	case p.How == "":
		tell(stage.Progress, "")
	case p.How == registry.Sent:
		tell(stage.Progress, "")
		tell(stage.Done, "")
	default:
		tell(stage.Note, p.How+" at the registry")
		tell(stage.Done, "")
	}
}
