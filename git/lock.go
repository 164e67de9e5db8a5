package git

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofrs/flock"
)

// lockFile takes the exclusive advisory lock on path and returns what gives it
// back. The kernel drops the lock of a process that dies, so none is ever
// stale; the file itself stays, since removing it would let two hold the lock.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	l := flock.New(path, flock.SetPermissions(0o666))
	if _, err := l.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, errors.Join(err, l.Close()))
	}
	return l.Close, nil
}
