package inflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	kflate "github.com/klauspost/compress/flate"

	"github.com/sparkwheel/sparkwheel/layer/inflate"
)

// pipe feeds a stream in pieces and gathers what comes out in buffers.
type pipe struct {
	in            []byte
	piece, buffer int
	lent          [][]byte
	out           bytes.Buffer
}

func (p *pipe) Next() ([]byte, error) {
	if len(p.in) == 0 {
		return nil, io.EOF
	}
	n := min(p.piece, len(p.in))
	b := bytes.Clone(p.in[:n]) // so that the race detector and a late use are seen
	p.in = p.in[n:]
	return b, nil
}

func (p *pipe) Buffer() []byte {
	b := bytes.Repeat([]byte{0xaa}, p.buffer)
	p.lent = append(p.lent, b)
	return b
}

func (p *pipe) Emit(end int) error {
	p.out.Write(p.lent[0][inflate.Window:end])
	clear(p.lent[0])
	p.lent = p.lent[1:]
	return nil
}

func decode(d *inflate.Decoder, stream []byte, piece, buffer int) ([]byte, error) {
	p := &pipe{in: stream, piece: piece, buffer: buffer}
	err := d.Decode(p)
	return p.out.Bytes(), err
}

func deflate(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// contents are of the kinds that take different ways through the decoder.
func contents(t testing.TB) map[string][]byte {
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	r := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 100<<10)
	if _, err := r.Read(noise); err != nil {
		t.Fatal(err)
	}
	far := append(bytes.Clone(noise[:inflate.Window]), noise[:inflate.Window]...)
	var steps []byte // runs at every short distance
	for distance := 1; distance < 20; distance++ {
		for range 40 {
			steps = append(steps, noise[:distance]...)
		}
	}
	return map[string][]byte{
		"nothing": {}, "one byte": {7}, "zeros": make([]byte, 200<<10), "noise": noise, "far": far, "steps": steps,
		"program": self[:min(len(self), 300<<10)],
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, content := range contents(t) {
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 6, 9} {
			t.Run(fmt.Sprintf("%s at level %d", name, level), func(t *testing.T) {
				t.Parallel()
				stream := deflate(t, level, content)
				var d inflate.Decoder
				for _, piece := range []int{1, 1000, 64 << 10} {
					for _, buffer := range []int{inflate.MinBuffer + piece%1000, 128 << 10} {
						got, err := decode(&d, stream, piece, buffer)
						if err != nil {
							t.Fatalf("pieces of %d, buffers of %d: %v", piece, buffer, err)
						}
						if !bytes.Equal(got, content) {
							t.Fatalf("pieces of %d, buffers of %d: other content", piece, buffer)
						}
					}
				}
			})
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := deflate(t, 6, []byte("a few words, a few words, and a few words more"))
	var d inflate.Decoder
	for n := range good {
		if _, err := decode(&d, good[:n], 5, inflate.MinBuffer); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := decode(&d, append(bytes.Clone(good), 0), 100, inflate.MinBuffer); !errors.Is(err, inflate.ErrTrailing) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, err := decode(&d, append(bytes.Clone(good), 0), len(good), inflate.MinBuffer); !errors.Is(err, inflate.ErrTrailing) {
		t.Errorf("with a piece more: %v", err)
	}
	for name, stream := range map[string][]byte{
		"a reserved block":        {0x07},
		"a stored block's length": {0x01, 1, 0, 1, 0, 0},
		"a match before the start": {
			0x03, 0x02, 0, 0, 0, // fixed code: length 3, distance 1
		},
		"30 and more distances": {0x05, 0x1f, 0, 0},
	} {
		_, err := decode(&d, stream, 100, inflate.MinBuffer)
		if _, ok := errors.AsType[*inflate.CorruptError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct {
	pipe
	err error
}

func (f *failing) Next() ([]byte, error) {
	if len(f.in) == 0 {
		return nil, f.err
	}
	return f.pipe.Next()
}

func TestDecodeTellsThePipesErrors(t *testing.T) {
	t.Parallel()
	stream := deflate(t, 6, make([]byte, 1000))
	want := errors.New("the disk is gone")
	var d inflate.Decoder
	for n := range stream {
		f := &failing{pipe{in: stream[:n], piece: 3, buffer: inflate.MinBuffer}, want}
		if err := d.Decode(f); !errors.Is(err, want) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// FuzzDecode holds the decoder against the standard library's: what that takes
// whole must come out the same, what it refuses must be refused.
func FuzzDecode(f *testing.F) {
	for _, content := range contents(f) {
		content = content[:min(len(content), 20<<10)]
		for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, 1, 9} {
			f.Add(deflate(f, level, content), uint16(300))
		}
	}
	f.Add([]byte{0x03, 0x02, 0, 0, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		in := bytes.NewReader(stream)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(in), 1<<24))
		if len(want) == 1<<24 {
			return
		}
		var d inflate.Decoder
		got, err := decode(&d, stream, int(piece)+1, inflate.MinBuffer)
		if wantErr == nil && in.Len() > 0 {
			if !errors.Is(err, inflate.ErrTrailing) {
				t.Fatalf("%d bytes are left, err is %v", in.Len(), err)
			}
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("err is %v, the standard library's %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatal("the content differs from the standard library's")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		b.Fatal(err)
	}
	stream := deflate(b, 6, content)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		var d inflate.Decoder
		p := &reusing{spare: [][]byte{make([]byte, 128<<10), make([]byte, 128<<10)}}
		for b.Loop() {
			p.in = stream
			if err := d.Decode(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		r := kflate.NewReader(nil)
		for b.Loop() {
			if err := r.(kflate.Resetter).Reset(bytes.NewReader(stream), nil); err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// reusing lends two buffers in turn, as the layer room lends many.
type reusing struct {
	in    []byte
	spare [][]byte
}

func (p *reusing) Next() ([]byte, error) {
	if len(p.in) == 0 {
		return nil, io.EOF
	}
	b := p.in[:min(64<<10, len(p.in))]
	p.in = p.in[len(b):]
	return b, nil
}

func (p *reusing) Buffer() []byte {
	p.spare[0], p.spare[1] = p.spare[1], p.spare[0]
	return p.spare[0]
}

func (p *reusing) Emit(int) error { return nil }
