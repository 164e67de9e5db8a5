package wheel_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

func add(name, content string) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) { w.Add(name, content) }
}

func change(name string, f func(*wheeltest.Member)) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) { f(w.Add(name, "content")) }
}

func local(f func(*wheeltest.Header)) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) { w.Find("x/data.bin").Local = f }
}

func central(f func(*wheeltest.Header)) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) { w.Find("x/data.bin").Central = f }
}

func record(f func(string) string) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) { w.Record = f }
}

func remove(name string) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) {
		w.Members = slices.DeleteFunc(w.Members, func(m *wheeltest.Member) bool { return m.Name == w.DistInfo()+name })
	}
}

func text(name, before, after string) func(*testing.T, *wheeltest.Wheel) {
	return func(t *testing.T, w *wheeltest.Wheel) {
		m := w.Find(w.DistInfo() + name)
		if !strings.Contains(m.Content, before) {
			t.Fatalf("%s has no %q", name, before)
		}
		m.Content = strings.Replace(m.Content, before, after, 1)
	}
}

func points(line string) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) {
		w.Find(w.DistInfo() + "entry_points.txt").Content = "[console_scripts]\n" + line + "\n"
	}
}

// descriptor puts a data descriptor made of the true values behind a member.
func descriptor(f func(crc, packed, size uint32) []byte) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) {
		m := w.Add("x/described.py", "content of it")
		packed := wheeltest.Deflate(m.Content)
		m.Local = func(h *wheeltest.Header) {
			m.After = f(h.CRC32, uint32(len(packed)), h.Size)
			h.Flags |= wheeltest.Descriptor
			h.CRC32, h.Compressed, h.Size = 0, 0, 0
		}
		m.Central = func(h *wheeltest.Header) { h.Flags |= wheeltest.Descriptor }
	}
}

// end64 puts a zip64 end record and its locator before the short one, with the
// true values, changed by f.
func end64(f func([]byte) []byte) func(*testing.T, *wheeltest.Wheel) {
	return func(_ *testing.T, w *wheeltest.Wheel) {
		w.End = func(e *wheeltest.End) {
			le := binary.LittleEndian
			b := make([]byte, 56+20)
			copy(b, "PK\x06\x06")
			le.PutUint64(b[4:], 44)
			le.PutUint64(b[24:], uint64(e.Entries))
			le.PutUint64(b[32:], uint64(e.Entries))
			le.PutUint64(b[40:], uint64(e.Length))
			le.PutUint64(b[48:], uint64(e.Offset))
			copy(b[56:], "PK\x06\x07")
			le.PutUint64(b[56+8:], uint64(e.Offset)+uint64(e.Length))
			le.PutUint32(b[56+16:], 1)
			e.Before = f(b)
			e.Offset = 0xffffffff
		}
	}
}

func u32(signature string, values ...uint32) []byte {
	b := []byte(signature)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func zip64(values ...uint64) []byte {
	b := []byte{1, 0, byte(8 * len(values)), 0}
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func unicodePath(name string) []byte {
	b := []byte{0x75, 0x70, byte(5 + len(name)), 0, 1, 0, 0, 0, 0}
	return append(b, name...)
}
