package layer

import (
	"archive/tar"
	"fmt"
)

// bounds end a layer that is made to fill a disk: gzip makes a thousand bytes
// of one, and a sparse file any number of none.
type bounds struct {
	bytes, entries int64 // that a layer may still unpack to
}

const (
	// Real layers of text and code stay below a tenth of the ratio.
	bombSize  = 4 << 30
	bombRatio = 100

	maxLayerEntries = 4 << 20
)

// boundsOf are those of a layer of so many bytes as it is stored.
func boundsOf(stored int64) *bounds {
	return &bounds{bytes: max(bombSize, stored*bombRatio), entries: maxLayerEntries}
}

// take refuses the entry that goes beyond what is left, before any of it is
// written.
func (b *bounds) take(h *tar.Header) error {
	b.entries--
	if h.Typeflag == tar.TypeReg {
		b.bytes -= h.Size
	}
	switch {
	case b.entries < 0:
		return fmt.Errorf("the layer has more than %d entries", maxLayerEntries)
	case b.bytes < 0 || h.Size < 0:
		return fmt.Errorf("the layer unpacks to more than %d times its size: it looks made to fill a disk", bombRatio)
	}
	return nil
}
