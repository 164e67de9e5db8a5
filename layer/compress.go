package layer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// packLevel is the level of all that a spliced layer compresses itself. It is
// part of every digest: to change it is to change all layers.
const packLevel = 5

// gzipHeader opens every member (RFC 1952): no name, no time, no flags, no
// operating system, so that nothing of this machine is told.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// gzipTrailer closes a member: CRC-32 and size modulo 2^32 of what it inflates to.
func gzipTrailer(crc uint32, size int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, crc)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

// A compressor turns a run of tar bytes into a piece that decodes by itself;
// the pieces one after another are the blob. It belongs to one goroutine.
type compressor interface {
	compress(dst, src []byte) ([]byte, error)
	release() // it is not used any more
}

// packers are compressors of packLevel that no layer uses at the moment: their
// tables are as large as all else that a small layer needs.
var packers sync.Pool

func newCompressor(opt Options) (compressor, error) {
	switch opt.Compression {
	case None:
		return verbatim{}, nil
	case Zstd:
		enc, err := zstd.NewWriter(nil,
			zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(packSize), // no frame is longer: more would only cost memory
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(opt.Level)))
		if err != nil {
			return nil, fmt.Errorf("preparing zstd: %w", err)
		}
		return frames{enc}, nil
	default:
		if m, ok := packers.Get().(*members); ok && m.level == opt.Level {
			return m, nil
		}
		w, err := flate.NewWriter(nil, opt.Level)
		if err != nil {
			return nil, fmt.Errorf("preparing gzip: %w", err)
		}
		return &members{w, opt.Level}, nil
	}
}

type verbatim struct{}

func (verbatim) release() {}

func (verbatim) compress(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

type frames struct{ enc *zstd.Encoder }

func (f frames) release() { f.enc.Close() }

func (f frames) compress(dst, src []byte) ([]byte, error) { return f.enc.EncodeAll(src, dst), nil }

type members struct {
	w     *flate.Writer
	level int
}

func (m *members) release() {
	if m.level == packLevel {
		packers.Put(m)
	}
}

func (m *members) compress(dst, src []byte) ([]byte, error) {
	buf := bytes.NewBuffer(append(dst, gzipHeader...))
	m.w.Reset(buf)
	if _, err := m.w.Write(src); err != nil {
		return nil, err
	}
	if err := m.w.Close(); err != nil {
		return nil, err
	}
	buf.Write(gzipTrailer(crc32.ChecksumIEEE(src), int64(len(src))))
	return buf.Bytes(), nil
}

// decompressed is the tar inside a blob of the compression; closing it closes r.
func decompressed(compression string, r io.ReadCloser) (io.ReadCloser, error) {
	switch compression {
	case None:
		return r, nil
	case Zstd:
		dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			r.Close()
			return nil, err
		}
		return stacked{dec, func() error { dec.Close(); return r.Close() }}, nil
	default:
		dec, err := gzip.NewReader(r)
		if err != nil {
			r.Close()
			return nil, err
		}
		return stacked{dec, r.Close}, nil
	}
}

type stacked struct {
	io.Reader
	close func() error
}

func (s stacked) Close() error { return s.close() }
