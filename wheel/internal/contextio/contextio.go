// Package contextio ends long reads with their context. Rooms share no code, so
// layer has the same few lines.
package contextio

import (
	"context"
	"io"
)

// NewReader reads from r until ctx ends; then every Read gives ctx.Err. A Read
// that r does not come back from is not interrupted.
func NewReader(ctx context.Context, r io.Reader) io.Reader {
	return reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }
