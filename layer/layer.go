// Package layer turns trees of files into OCI layers and layers into images:
// Write makes a Blob of an fs.FS in one reading, Append stacks Blobs on a base,
// Unpack lays an image out as files. Below it, layout and archive keep images
// on disk. It never hears of wheels: a tree is an fs.FS, an image a v1.Image.
package layer

import "io"

// Deflated is what a file of a tree offers when its content lies compressed
// already: Write then carries those bytes into the layer as they are and
// inflates them only to hash. raw is the RFC 1951 stream of the whole content,
// crc32 its IEEE CRC, sha256 its promised digest or nil; both are checked.
// A file that is not deflated after all answers errors.ErrUnsupported.
type Deflated interface {
	Deflate() (raw io.Reader, crc32 uint32, sha256 []byte, err error)
}
