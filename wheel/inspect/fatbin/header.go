package fatbin

import (
	"encoding/binary"
	"fmt"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// A container is a header and entries behind each other, little-endian:
//
//	container  0 u32 magic  4 u16 version 1  6 u16 header size 16  8 u64 size of all entries
//	entry      0 u16 kind   4 u32 header size  8 u64 padded payload size  16 u32 compressed size
//	          20 u32 options offset  24 u16 minor  26 u16 major  28 u32 SM number
//	          32 u32 name offset  36 u32 name length  40 u64 flags  56 u64 uncompressed size
//
// NVIDIA does not document it; this is what nvcc 12.5 to 13.5 write.
const (
	containerHeader = 16
	entryHeader     = 64   // the part of every entry's header that is read
	maxEntryHeader  = 4096 // options and names make it longer
)

var magic = []byte{0x50, 0xED, 0x55, 0xBA}

const (
	kindPTX = 1
	kindELF = 2
	kindLTO = 8

	flagDebug    = 1 << 1
	flagLZ4      = 1 << 13
	flagZstd     = 1 << 15
	flagSpecific = 1 << 20 // "a"
	flagFamily   = 1 << 21 // "f"
)

// header is an entry's header as far as it is read.
type header struct {
	entry       cuda.Entry
	size        int64 // of the header
	payload     int64 // padded
	compressed  int64 // bytes of the payload that are compressed content
	name, nameN int64
}

func parseHeader(b []byte, left int64) (header, error) {
	le := binary.LittleEndian
	h := header{
		size: int64(le.Uint32(b[4:])), compressed: int64(le.Uint32(b[16:])),
		name: int64(le.Uint32(b[32:])), nameN: int64(le.Uint32(b[36:])),
	}
	payload, flags, uncompressed := le.Uint64(b[8:]), le.Uint64(b[40:]), le.Uint64(b[56:])
	if h.size < entryHeader || h.size > maxEntryHeader || h.size > left {
		return h, fmt.Errorf("an entry's header has %d bytes", h.size)
	}
	if payload > uint64(left-h.size) {
		return h, fmt.Errorf("an entry of %d bytes does not fit into its container", payload)
	}
	h.payload = int64(payload)
	e := &h.entry
	e.Size, e.Kernels = h.payload, -1
	switch {
	case flags&flagZstd != 0:
		e.Compression = cuda.Zstd
	case flags&flagLZ4 != 0:
		e.Compression = cuda.LZ4
	}
	if e.Compression != cuda.Plain {
		if h.compressed > h.payload || uncompressed > 1<<40 {
			return h, fmt.Errorf("an entry claims %d compressed bytes of %d, for %d", h.compressed, h.payload, uncompressed)
		}
		e.Size = int64(uncompressed)
	}
	arch := le.Uint32(b[28:])
	if arch > 1<<16 {
		return h, fmt.Errorf("an entry is for the architecture %d", arch)
	}
	e.Arch.Capability = int(arch)
	switch {
	case flags&flagSpecific != 0:
		e.Arch.Suffix = 'a'
	case flags&flagFamily != 0:
		e.Arch.Suffix = 'f'
	}
	e.Debug = flags&flagDebug != 0
	switch le.Uint16(b) {
	case kindPTX:
		e.Kind = cuda.PTX
		e.PTX = cuda.Version{Major: int(le.Uint16(b[26:])), Minor: int(le.Uint16(b[24:]))}
	case kindELF:
		e.Kind = cuda.SASS
	case kindLTO:
		e.Kind = cuda.LTO
	}
	return h, nil
}
