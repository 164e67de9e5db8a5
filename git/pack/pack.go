// Package pack stores git packfiles: Index takes one from a stream in a single
// pass, and a Store reads objects from many, from any number of goroutines.
//
// A pack is a header, objects and a SHA-1 of all before it:
//
//	"PACK" version(4) count(4)
//	  type and size (varint), for a delta the base, zlib data    ... count times
//	sha1(20)
//
// See gitformat-pack(5).
package pack

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"
)

// DamagedError says that a pack, on its way or on disk, is not what it should
// be. Fetching it again may help.
type DamagedError struct {
	Pack string // the file, or empty for a stream
	Err  error
}

func (e *DamagedError) Error() string {
	if e.Pack == "" {
		return fmt.Sprintf("the pack is damaged: %v", e.Err)
	}
	return fmt.Sprintf("the pack %s is damaged: %v", e.Pack, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// maxInMemory bounds an object that must stand in memory: every one but a blob
// stored whole.
const maxInMemory = 1 << 30

// header begins an object in a pack. Base is the offset of an OFS_DELTA's
// base, Ref the name of a REF_DELTA's.
type header struct {
	Type plumbing.ObjectType
	Size int64
	Base int64
	Ref  plumbing.Hash
}

// byteReader is what an object is read from.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// readHeader reads the header of the object at offset.
func readHeader(r byteReader, offset int64) (header, error) {
	c, err := r.ReadByte()
	if err != nil {
		return header{}, err
	}
	h := header{Type: plumbing.ObjectType(c >> 4 & 7), Size: int64(c & 15)}
	for shift := 4; c&0x80 != 0; shift += 7 {
		if shift > 55 {
			return header{}, errors.New("an object's size is too large")
		}
		if c, err = r.ReadByte(); err != nil {
			return header{}, err
		}
		h.Size |= int64(c&0x7f) << shift
	}
	switch h.Type {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		back, err := readOffset(r)
		if err != nil {
			return header{}, err
		}
		if back <= 0 || back >= offset {
			return header{}, errors.New("a delta's base is outside the pack")
		}
		h.Base = offset - back
	case plumbing.REFDeltaObject:
		if _, err := io.ReadFull(r, h.Ref[:]); err != nil {
			return header{}, err
		}
	default:
		return header{}, fmt.Errorf("an object has the unknown type %d", h.Type)
	}
	if h.Type != plumbing.BlobObject && h.Size > maxInMemory {
		return header{}, fmt.Errorf("a %s of %d bytes is too large", h.Type, h.Size)
	}
	return h, nil
}

// readOffset reads the distance to a base: big-endian, seven bits a byte, one
// added for each byte after the first.
func readOffset(r io.ByteReader) (int64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := int64(c & 0x7f)
	for c&0x80 != 0 {
		if n > 1<<55 {
			return 0, errors.New("a delta's base is outside the pack")
		}
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
		n = (n+1)<<7 | int64(c&0x7f)
	}
	return n, nil
}

// inflater reads the zlib data of objects, one after the other.
type inflater struct{ z io.ReadCloser }

// reset starts on the data at r. It reads no byte past its end when r is a
// *bufio.Reader.
func (i *inflater) reset(r *bufio.Reader) error {
	if i.z == nil {
		z, err := zlib.NewReader(r)
		i.z = z
		return err
	}
	return i.z.(zlib.Resetter).Reset(r, nil)
}

// whole returns the data, which must have the size given, in buf when it fits.
func (i *inflater) whole(r *bufio.Reader, size int64, buf []byte) ([]byte, error) {
	if size > maxInMemory {
		return nil, fmt.Errorf("an object of %d bytes is too large to be held in memory", size)
	}
	if err := i.reset(r); err != nil {
		return nil, err
	}
	// A size that is a lie must not cost memory before the data is there.
	const trust = 16 << 20
	if int64(cap(buf)) < size {
		buf = make([]byte, 0, min(size, trust))
	}
	buf = buf[:0]
	for int64(len(buf)) < size {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := i.z.Read(buf[len(buf):min(int64(cap(buf)), size)])
		buf = buf[:len(buf)+n]
		if err != nil && (err != io.EOF || int64(len(buf)) < size) {
			return nil, noEOF(err)
		}
		if err == io.EOF {
			return buf, nil
		}
	}
	return buf, i.end()
}

// end checks that the data is over and its checksum right.
func (i *inflater) end() error {
	var one [1]byte
	for {
		n, err := i.z.Read(one[:])
		switch {
		case n > 0:
			return errors.New("an object is longer than its header says")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// noEOF makes the end of input in the middle of something an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
