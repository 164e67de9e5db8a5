// Package deflate compresses the members of the wheels that this module writes.
package deflate

import (
	"io"

	"github.com/klauspost/compress/flate"
)

// NewWriter returns what compresses to w; Close ends the stream and leaves w
// open. The library, rather than Go's own, and the level are part of the bytes
// of every wheel that is repacked or repaired.
func NewWriter(w io.Writer) io.WriteCloser {
	f, err := flate.NewWriter(w, 6)
	if err != nil {
		panic(err) // for a level that there is not
	}
	return f
}
