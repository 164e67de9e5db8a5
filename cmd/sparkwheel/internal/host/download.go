package host

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// offline says which of the files cannot be had without the network. One that
// is there in another size was cut off, or is another's.
func (e Env) offline(all []index.Pin) error {
	var missing []string
	for _, p := range all {
		if p.Present(e.Blobs()) {
			continue
		}
		if info, err := os.Stat(p.Path(e.Blobs())); err == nil {
			return fmt.Errorf("%w: %w", &DamagedError{p.File, info.Size(), p.Size}, &OfflineError{p.File})
		}
		missing = append(missing, p.File)
	}
	return &OfflineError{Some(missing)}
}

// Fetch brings pinned files into the store, several at once.
func Fetch(ctx context.Context, env Env, all []index.Pin, r *stage.Run) (index.Fetched, error) {
	got, err := env.Index.Fetch(ctx, all, env.Blobs(), max(env.Jobs, 4), func(p index.Progress) {
		r.Progress(p.BytesDone, p.Bytes)
	})
	if errors.Is(err, index.ErrOffline) {
		return got, env.offline(all)
	}
	return got, err
}

// Download brings a pinned file into the store's blobs. Offline, a file that
// is not there is an *OfflineError.
func Download(ctx context.Context, env Env, pin index.Pin, progress func(done, total int64)) (string, error) {
	path, err := env.Index.Download(ctx, pin, env.Blobs(), progress)
	if errors.Is(err, index.ErrOffline) {
		return "", env.offline([]index.Pin{pin})
	}
	return path, err
}
