package fatbin

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

func seeds(f *testing.F, pattern string) {
	names, err := filepath.Glob("../testdata/nvcc/" + pattern)
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

func find(content []byte, step int) []Found {
	s := Scanner{Kernels: true}
	for len(content) > 0 {
		n := min(step, len(content))
		s.Write(content[:n])
		content = content[n:]
	}
	return s.Found()
}

// TestFound finds containers among bytes that look alike.
func TestFound(t *testing.T) {
	t.Parallel()
	c := elftest.Container(elftest.SASS(121, elftest.Specific, 3))
	half := []byte{0x50, 0xED, 0x55, 0xBA, 9, 9, 9, 9}
	for name, tt := range map[string]struct {
		content []byte
		want    []int64
	}{
		"at the beginning":       {c, []int64{0}},
		"two":                    {append(bytes.Clone(c), c...), []int64{0, int64(len(c))}},
		"at an odd place":        {append(make([]byte, 4), c...), nil},
		"behind a magic":         {append(bytes.Clone(half), c...), []int64{8}},
		"behind two":             {append(append(bytes.Clone(half), half...), c...), []int64{16}},
		"behind half a magic":    {append([]byte{0, 0, 0, 0, 0, 0, 0x50, 0xED}, c...), []int64{8}},
		"behind its first bytes": {append(append(bytes.Clone(c[:5]), 0, 0, 0), c...), []int64{8}},
		"of no entries":          {elftest.Container(), []int64{0}},
	} {
		for _, step := range []int{1, 3, 8, 17, 1 << 20} {
			var got []int64
			for _, f := range find(tt.content, step) {
				got = append(got, f.Offset)
				if f.Err != nil {
					t.Errorf("%s: %v", name, f.Err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, in writes of %d (-want +got):\n%s", name, step, diff)
			}
		}
	}
}

func FuzzScanner(f *testing.F) {
	seeds(f, "*.fatbin")
	bomb := elftest.PTX(121, 0, 9, 0)
	bomb.Uncompressed = 1 << 39
	f.Add(elftest.Container(bomb))
	f.Add(elftest.Container(elftest.Entry{Kind: 2, Flags: elftest.LZ4, Payload: bytes.Repeat([]byte{0x1F, 0, 1, 0, 255}, 100), Uncompressed: 1 << 30}))
	f.Fuzz(func(t *testing.T, content []byte) {
		one, many := find(content, 1<<30), find(content, 5)
		if diff := cmp.Diff(one, many, cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) })); diff != "" {
			t.Errorf("the size of the writes matters (-one +many):\n%s", diff)
		}
	})
}

func FuzzCubin(f *testing.F) {
	seeds(f, "*.cubin")
	f.Add(elftest.Cubin(121, 5))
	for _, change := range []func([]byte){
		func(b []byte) { binary.LittleEndian.PutUint64(b[40:], 1<<63) },
		func(b []byte) { binary.LittleEndian.PutUint64(b[40:], 1<<40-1) },
		func(b []byte) { binary.LittleEndian.PutUint16(b[60:], 0) },
		func(b []byte) { binary.LittleEndian.PutUint16(b[60:], 0xFFFF) },
		func(b []byte) { binary.LittleEndian.PutUint16(b[62:], 0xFFFF) },
	} {
		b := elftest.Cubin(121, 5)
		change(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var one, many Cubin
		one.Write(content)
		for i := range content {
			many.Write(content[i : i+1])
		}
		a, errA := one.Entry()
		b, errB := many.Entry()
		if a != b || (errA == nil) != (errB == nil) || a.Kernels > len(content)/symbolSize*max(1, len(content)/sectionSize) {
			t.Errorf("in one write %+v, %v, in many %+v, %v", a, errA, b, errB)
		}
	})
}

// FuzzLZ4 compares the streaming decoder with the plainest one there can be.
func FuzzLZ4(f *testing.F) {
	f.Add([]byte("\x13\n\x01\x00\x50abcde"), int64(100))
	f.Add([]byte{0x1F, 'a', 1, 0, 255, 255, 255, 0, 0x10, 'b'}, int64(1000))
	f.Add(append(append([]byte{0x1F, 'a', 1, 0}, bytes.Repeat([]byte{255}, 4000)...), 0, 0x10, 'b'), int64(1<<30)) // a bomb
	f.Add([]byte{0x00, 0, 0}, int64(10))
	f.Add([]byte{0xF0, 255, 255, 255}, int64(10))
	f.Fuzz(func(t *testing.T, src []byte, limit int64) {
		limit = min(max(limit, 0), 1<<22)
		var got bytes.Buffer
		n, err := unpackLZ4(&got, src, limit)
		want, ok := plainLZ4(src, int(limit))
		if (err == nil) != ok || ok && (n != int64(len(want)) || !bytes.Equal(got.Bytes(), want)) {
			t.Errorf("%d bytes, %v; want %d, %v", n, err, len(want), ok)
		}
		if int64(got.Len()) > limit {
			t.Errorf("%d bytes were written of %d", got.Len(), limit)
		}
	})
}

func plainLZ4(src []byte, limit int) (out []byte, ok bool) {
	length := func(n int) (int, bool) {
		for more := n == 15; more; {
			if len(src) == 0 {
				return 0, false
			}
			n += int(src[0])
			more = src[0] == 255
			src = src[1:]
		}
		return n, true
	}
	for len(src) > 0 {
		token := src[0]
		src = src[1:]
		n, ok := length(int(token >> 4))
		if !ok || n > len(src) || n > limit-len(out) {
			return nil, false
		}
		out, src = append(out, src[:n]...), src[n:]
		if len(src) == 0 {
			return out, true
		}
		if len(src) < 2 {
			return nil, false
		}
		d := int(binary.LittleEndian.Uint16(src))
		src = src[2:]
		n, ok = length(int(token & 15))
		if n += 4; !ok || d == 0 || d > len(out) || n > limit-len(out) {
			return nil, false
		}
		for range n {
			out = append(out, out[len(out)-d])
		}
	}
	return nil, false
}

func BenchmarkScanner(b *testing.B) {
	content := bytes.Repeat([]byte("PUSH rbp; mov rbp, rsp\x50\xED"), 1<<20)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		find(content, 64<<10)
	}
}
