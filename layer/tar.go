package layer

import (
	"archive/tar"
	"bytes"
)

const blockSize = 512

// trailer ends a tar: two blocks of zeros.
var trailer [2 * blockSize]byte

// headerBytes are the blocks that precede an entry's content: USTAR, with a
// PAX record before it only for what USTAR cannot say (a long or non-ASCII
// name, a size of 8 GiB).
func headerBytes(h tar.Header) ([]byte, error) {
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(&h); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// padding is what fills an entry of size up to a whole block.
func padding(size int64) []byte {
	return trailer[:-size&(blockSize-1)]
}
