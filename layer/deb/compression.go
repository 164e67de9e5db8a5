package deb

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	// maxWindow is the most memory that unpacking may ask for; xz -9 and zstd
	// -19 ask for 64 and 8 MiB.
	maxWindow = 128 << 20
	// What is longer than freeSize and freeRatio times the bytes that it came
	// from is no package: libraries full of zeros reach 30.
	freeSize  = 64 << 20
	freeRatio = 1000
)

// unpacked gives use what a member holds, by the suffix of its name. Use reads
// to the end, where the checksums are.
func unpacked(r io.Reader, suffix string, use func(io.Reader) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	count := &counter{r: in}
	var out io.Reader
	switch suffix {
	case "":
		out = count
	case ".gz":
		z, err := gzip.NewReader(bufio.NewReader(count))
		if err != nil {
			return err
		}
		out = z
	case ".xz":
		if err := checkWindow(in); err != nil {
			return err
		}
		z, err := xz.NewReader(count)
		if err != nil {
			return err
		}
		out = z
	case ".zst":
		z, err := zstd.NewReader(count, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		defer z.Close()
		out = z
	default:
		return fmt.Errorf("compression %q is not one of gz, xz, zst", suffix)
	}
	return use(&bounded{in: count, r: out})
}

// checkWindow refuses an xz stream whose first block asks for more memory than
// maxWindow ("The .xz File Format", 3.1 and 5.3.1). The decoder would take it.
func checkWindow(in *bufio.Reader) error {
	const streamHeader = 12
	head, _ := in.Peek(streamHeader + 1024)
	if len(head) <= streamHeader {
		return io.ErrUnexpectedEOF
	}
	block := head[streamHeader:]
	block = block[:min(len(block), (int(block[0])+1)*4)]
	// LZMA2's filter flags: its id, one byte of properties, and these.
	i := bytes.Index(block, []byte{0x21, 0x01})
	if i < 0 || i+2 >= len(block) {
		return nil // an empty stream, or no LZMA2: the decoder's to say
	}
	bits := uint64(block[i+2])
	if bits > 40 || (2|bits&1)<<(bits/2+11) > maxWindow {
		return fmt.Errorf("unpacking it needs more than %d MiB", maxWindow>>20)
	}
	return nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded ends a stream that grows out of all measure.
type bounded struct {
	in *counter
	r  io.Reader
	n  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > freeSize && b.n/freeRatio > b.in.n {
		return 0, fmt.Errorf("it unpacks to more than %d times its size", freeRatio)
	}
	return n, err
}
