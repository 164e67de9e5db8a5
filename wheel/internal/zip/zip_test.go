package zip_test

import (
	stdzip "archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

var le = binary.LittleEndian

// sound has two members: a, to be changed, and b behind it.
func sound() *wheeltest.Wheel {
	w := &wheeltest.Wheel{NoRecord: true}
	w.Add("a", "content of a")
	w.Add("b", "content of b")
	return w
}

func bigEnd(w *wheeltest.Wheel, change func(record, locator []byte, e *wheeltest.End)) {
	w.End = func(e *wheeltest.End) {
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
		change(b[:56], b[56:], e)
		e.Before = b
	}
}

func described(w *wheeltest.Wheel, wide, signed bool, change func(local *wheeltest.Header, values []uint64)) {
	m := w.Members[0]
	m.Local = func(h *wheeltest.Header) {
		values := []uint64{uint64(h.CRC32), uint64(h.Compressed), uint64(h.Size)}
		h.Flags |= wheeltest.Descriptor
		h.CRC32, h.Compressed, h.Size = 0, 0, 0
		change(h, values)
		if signed {
			m.After = []byte("PK\x07\x08")
		}
		m.After = le.AppendUint32(m.After, uint32(values[0]))
		for _, v := range values[1:] {
			if wide {
				m.After = le.AppendUint64(m.After, v)
			} else {
				m.After = le.AppendUint32(m.After, uint32(v))
			}
		}
	}
	m.Central = func(h *wheeltest.Header) { h.Flags |= wheeltest.Descriptor }
}

func field(id uint16, body []byte) []byte {
	return append(le.AppendUint16(le.AppendUint16(nil, id), uint16(len(body))), body...)
}

func wide(values ...uint64) []byte {
	var body []byte
	for _, v := range values {
		body = le.AppendUint64(body, v)
	}
	return field(1, body)
}

func unicode(name string) []byte { return field(0x7075, append([]byte{1, 0, 0, 0, 0}, name...)) }

func local(f func(*wheeltest.Header)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.Members[0].Local = f }
}

func central(f func(*wheeltest.Header)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.Members[0].Central = f }
}

func both(f func(*wheeltest.Header)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.Members[0].Local, w.Members[0].Central = f, f }
}

func trailer(b string) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.End = func(e *wheeltest.End) { e.Trailer = []byte(b) } }
}

func end(f func(*wheeltest.End)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.End = f }
}

func raw(f func([]byte) []byte) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { w.Bytes = f }
}

func big(f func(record, locator []byte, e *wheeltest.End)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { bigEnd(w, f) }
}

func desc(wide, signed bool, f func(h *wheeltest.Header, values []uint64)) func(*wheeltest.Wheel) {
	return func(w *wheeltest.Wheel) { described(w, wide, signed, f) }
}

func nothing(*wheeltest.Header, []uint64) {}

// What is reported of an archive that is changed in one place: "code member",
// or "error" where there is no archive to speak of.
var changed = []struct {
	name   string
	change func(*wheeltest.Wheel)
	want   []string
}{
	{"as it is", func(*wheeltest.Wheel) {}, nil},

	// The end and what is behind it.
	{"longest comment", func(w *wheeltest.Wheel) { w.Comment = strings.Repeat("c", 1<<16-1) }, nil},
	{"comment of a tab and a NUL", func(w *wheeltest.Wheel) { w.Comment = "a\tb\x00" }, nil},
	{"comment of the first control byte", func(w *wheeltest.Wheel) { w.Comment = "\x01" }, []string{"archive-comment "}},
	{"comment of the last control byte", func(w *wheeltest.Wheel) { w.Comment = "a\x08" }, []string{"archive-comment "}},
	{"as much behind it as is looked at", trailer(strings.Repeat("\x00", 2*(1<<16-1))), nil},
	{"a byte more", trailer(strings.Repeat("\x00", 2*(1<<16-1)+1)), []string{"error"}},
	{"a header right behind", trailer("PK\x03\x04"), []string{"hidden-archive "}},
	{"an entry behind", trailer("....PK\x01\x02"), []string{"hidden-archive "}},
	{"an end too short to be one", trailer("PK\x05\x06" + strings.Repeat("\x00", 17)), []string{"hidden-archive "}},
	{"an end whose comment is cut off", trailer("PK\x05\x06" + strings.Repeat("\x00", 16) + "\x01\x00"), []string{"hidden-archive "}},
	{"disk that zip64 leaves open", end(func(e *wheeltest.End) { e.Disk = 0xffff }), nil},
	{"entries on this disk", raw(func(b []byte) []byte { b[len(b)-22+8]++; return b }), []string{"multi-disk "}},
	{"65,535 entries without zip64", end(func(e *wheeltest.End) { e.Entries = 0xffff }), []string{"entry-count "}},
	{"length that zip64 must say", end(func(e *wheeltest.End) { e.Length = 0xffffffff }), []string{"error"}},
	{"no members", func(w *wheeltest.Wheel) { w.Members = nil }, nil},
	{"no members, zip64 end", func(w *wheeltest.Wheel) {
		w.Members = nil
		bigEnd(w, func(_, _ []byte, _ *wheeltest.End) {})
	}, nil},
	{"a locator at the start", raw(func([]byte) []byte {
		return append([]byte("PK\x06\x07"+strings.Repeat("\x00", 16)+"PK\x05\x06"), make([]byte, 18)...)
	}), []string{"error"}},
	{"directory behind its end", end(func(e *wheeltest.End) { e.Offset += e.Length + 1 }), []string{"error"}},
	{"directory reaches into its end", end(func(e *wheeltest.End) { e.Length++ }), []string{"error"}},
	{"a byte before the end", end(func(e *wheeltest.End) { e.Before = []byte{0} }), []string{"hidden-bytes "}},

	// The zip64 end.
	{"zip64 end", big(func(_, _ []byte, _ *wheeltest.End) {}), nil},
	{"zip64 end, short one open", big(func(_, _ []byte, e *wheeltest.End) { e.Entries, e.Length, e.Offset = 0xffff, 0xffffffff, 0xffffffff }), nil},
	{"zip64 end, other entries", big(func(_, _ []byte, e *wheeltest.End) { e.Entries++ }), []string{"zip64 "}},
	{"zip64 end, other length", big(func(_, _ []byte, e *wheeltest.End) { e.Length-- }), []string{"zip64 "}},
	{"zip64 end, other offset", big(func(_, _ []byte, e *wheeltest.End) { e.Offset++ }), []string{"zip64 "}},
	{"zip64 end, entries on this disk", big(func(r, _ []byte, _ *wheeltest.End) { r[24]++ }), []string{"multi-disk "}},
	{"zip64 end on another disk", big(func(r, _ []byte, _ *wheeltest.End) { r[16]++ }), []string{"multi-disk "}},
	{"zip64 directory on another disk", big(func(r, _ []byte, _ *wheeltest.End) { r[20]++ }), []string{"multi-disk "}},
	{"zip64 end, other signature", big(func(r, _ []byte, _ *wheeltest.End) { r[0] = 'X' }), []string{"error"}},
	{"zip64 end, other length of its own", big(func(r, _ []byte, _ *wheeltest.End) { r[4]++ }), []string{"error"}},
	{"zip64 end of a negative offset", big(func(r, _ []byte, _ *wheeltest.End) { r[55] = 0x80 }), []string{"error"}},
	{"zip64 end of a negative length", big(func(r, _ []byte, _ *wheeltest.End) { r[47] = 0x80 }), []string{"error"}},
	{"as many members as are read", big(func(r, _ []byte, e *wheeltest.End) {
		e.Entries = 0xffff
		le.PutUint64(r[24:], zip.MaxMembers)
		le.PutUint64(r[32:], zip.MaxMembers)
	}), []string{"entry-count "}},
	{"one member more", big(func(r, _ []byte, e *wheeltest.End) {
		e.Entries = 0xffff
		le.PutUint64(r[24:], zip.MaxMembers+1)
		le.PutUint64(r[32:], zip.MaxMembers+1)
	}), []string{"error"}},
	{"locator of no disks", big(func(_, l []byte, _ *wheeltest.End) { l[16] = 0 }), nil},
	{"locator of two disks", big(func(_, l []byte, _ *wheeltest.End) { l[16] = 2 }), []string{"error"}},
	{"locator of another disk", big(func(_, l []byte, _ *wheeltest.End) { l[4] = 1 }), []string{"error"}},
	{"locator before the record", big(func(_, l []byte, _ *wheeltest.End) { l[8]-- }), []string{"error"}},

	// Entries of the directory.
	{"stored", func(w *wheeltest.Wheel) { w.Members[0].Stored = true }, nil},
	{"patched", both(func(h *wheeltest.Header) { h.Flags |= 1 << 5 }), []string{"compression-method a"}},
	{"strongly encrypted", both(func(h *wheeltest.Header) { h.Flags |= 1 << 6 }), []string{"encrypted a"}},
	{"masked", both(func(h *wheeltest.Header) { h.Flags |= 1 << 13 }), []string{"encrypted a"}},
	{"ASCII, not marked as UTF-8", both(func(h *wheeltest.Header) { h.Flags = 0 }), nil},
	{"first byte beyond ASCII, not marked", both(func(h *wheeltest.Header) { h.Flags, h.Name = 0, "\u0080" }), []string{"name-encoding \u0080"}},
	{"last byte of ASCII, not marked", both(func(h *wheeltest.Header) { h.Flags, h.Name = 0, "\x7f" }), nil},
	{"the same name in an extra field", both(func(h *wheeltest.Header) { h.Extra = unicode("a") }), nil},
	{"another name in the local extra field", local(func(h *wheeltest.Header) { h.Extra = unicode("b") }), []string{"name-encoding a"}},
	{"another name in the extra field of the directory", central(func(h *wheeltest.Header) { h.Extra = unicode("b") }), []string{"name-encoding a"}},
	{"a field of no name, then another name", central(func(h *wheeltest.Header) { h.Extra = append(unicode(""), unicode("b")...) }), []string{"name-encoding a"}},
	{"a field of the same name, then of another", central(func(h *wheeltest.Header) { h.Extra = append(unicode("a"), unicode("b")...) }), []string{"extra-field a"}},
	{"another signature", central(func(h *wheeltest.Header) { h.Signature = "PK\x01\x03" }), []string{"error"}},

	// Extra fields.
	{"empty field", both(func(h *wheeltest.Header) { h.Extra = field(9, nil) }), nil},
	{"field of all that is there", both(func(h *wheeltest.Header) { h.Extra = field(9, []byte("body")) }), nil},
	{"field longer by one", central(func(h *wheeltest.Header) { h.Extra = append(field(9, nil), 9, 0, 2, 0, 1) }), []string{"extra-field a"}},
	{"padding of three zeros", central(func(h *wheeltest.Header) { h.Extra = append(field(9, nil), 0, 0, 0) }), nil},
	{"padding that is not zero", central(func(h *wheeltest.Header) { h.Extra = append(field(9, nil), 0, 0, 1) }), []string{"extra-field a"}},
	{"zip64 field of no value", central(func(h *wheeltest.Header) { h.Extra = wide() }), nil},
	{"zip64 field that repeats a size", central(func(h *wheeltest.Header) { h.Extra = wide(uint64(h.Size)) }), nil},
	{"zip64 field that repeats all", central(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size), uint64(h.Compressed), uint64(h.Offset))
	}), nil},
	{"zip64 field, then another", central(func(h *wheeltest.Header) { h.Extra = append(wide(uint64(h.Size)), field(9, nil)...) }), nil},
	{"two zip64 fields", central(func(h *wheeltest.Header) { h.Extra = append(wide(uint64(h.Size)), wide(uint64(h.Size))...) }), []string{"extra-field a"}},
	{"zip64 field of another compressed size", central(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size), uint64(h.Compressed)+1)
	}), []string{"zip64 a"}},
	{"zip64 field of one value too many", central(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size), uint64(h.Compressed), uint64(h.Offset), 0)
	}), []string{"zip64 a"}},
	{"zip64 field of one value and a half", central(func(h *wheeltest.Header) {
		h.Extra = field(1, append(le.AppendUint64(nil, uint64(h.Size)), 1, 2, 3, 4))
	}), []string{"zip64 a"}},
	{"zip64 field of the offset alone", func(w *wheeltest.Wheel) {
		w.Members[1].Central = func(h *wheeltest.Header) {
			h.Offset, h.Extra = 0xffffffff, wide(uint64(h.Offset))
		}
	}, nil},
	{"zip64 field of half of what is asked", central(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size))
		h.Size, h.Compressed = 0xffffffff, 0xffffffff
	}), []string{"local-header a", "zip64 a"}},
	{"local zip64 field", local(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size), uint64(h.Compressed))
		h.Size, h.Compressed = 0xffffffff, 0xffffffff
	}), nil},
	{"local zip64 field of another size", local(func(h *wheeltest.Header) {
		h.Extra = wide(uint64(h.Size)+1, uint64(h.Compressed))
		h.Size, h.Compressed = 0xffffffff, 0xffffffff
	}), []string{"local-header a"}},

	// Places.
	{"bytes before the first", func(w *wheeltest.Wheel) {
		w.Add("hidden", "").Hidden = true
		w.Members = []*wheeltest.Member{w.Members[2], w.Members[0], w.Members[1]}
	}, []string{"hidden-bytes a"}},
	{"a byte between", func(w *wheeltest.Wheel) { w.Members[0].After = []byte{0} }, []string{"hidden-bytes b"}},
	{"a byte behind the last", func(w *wheeltest.Wheel) { w.Members[1].After = []byte{0} }, []string{"hidden-bytes "}},
	{"up to the end of the file", func(w *wheeltest.Wheel) {
		m := w.Members[1]
		m.Stored = true
		size := uint32(len(m.Content)) + 2*(46+1) + 22
		m.Local = func(h *wheeltest.Header) { h.Size, h.Compressed = size, size }
		m.Central = m.Local
	}, []string{"overlap b"}},
	{"a byte beyond the end of the file", func(w *wheeltest.Wheel) {
		m := w.Members[1]
		m.Stored = true
		size := uint32(len(m.Content)) + 2*(46+1) + 22 + 1
		m.Local = func(h *wheeltest.Header) { h.Size, h.Compressed = size, size }
		m.Central = m.Local
	}, []string{"local-header b"}},
	{"the first reaches into the second", func(w *wheeltest.Wheel) {
		m := w.Members[0]
		m.Stored = true
		m.Local = func(h *wheeltest.Header) { h.Size++; h.Compressed++ }
		m.Central = m.Local
	}, []string{"overlap b"}},

	// Data descriptors.
	{"descriptor", desc(false, true, nothing), nil},
	{"descriptor without signature", desc(false, false, nothing), nil},
	{"wide descriptor", desc(true, true, nothing), nil},
	{"wide descriptor without signature", desc(true, false, nothing), nil},
	{"descriptor, values known before", desc(false, true, func(h *wheeltest.Header, v []uint64) {
		h.CRC32, h.Compressed, h.Size = uint32(v[0]), uint32(v[1]), uint32(v[2])
	}), nil},
	{"descriptor, another size before", desc(false, true, func(h *wheeltest.Header, v []uint64) { h.Size = uint32(v[2]) + 1 }), []string{"local-header a"}},
	{"descriptor, another compressed size before", desc(false, true, func(h *wheeltest.Header, v []uint64) { h.Compressed = uint32(v[1]) + 1 }), []string{"local-header a"}},
	{"descriptor of the last member", func(w *wheeltest.Wheel) {
		slices.Reverse(w.Members)
		described(w, false, true, nothing)
		slices.Reverse(w.Members)
	}, nil},
	{"descriptor of another CRC", desc(false, true, func(_ *wheeltest.Header, v []uint64) { v[0]++ }), []string{"data-descriptor a"}},
	{"descriptor without signature of another compressed size", desc(false, false, func(_ *wheeltest.Header, v []uint64) { v[1]++ }), []string{"data-descriptor a"}},
	{"wide descriptor of another compressed size", desc(true, true, func(_ *wheeltest.Header, v []uint64) { v[1] += 1 << 32 }), []string{"data-descriptor a"}},
	{"wide descriptor without signature of another size", desc(true, false, func(_ *wheeltest.Header, v []uint64) { v[2] += 1 << 32 }), []string{"data-descriptor a"}},
	{"descriptor of another signature", func(w *wheeltest.Wheel) {
		described(w, false, true, nothing)
		set := w.Members[0].Local
		w.Members[0].Local = func(h *wheeltest.Header) { set(h); w.Members[0].After[0] = 'X' }
	}, []string{"data-descriptor a"}},
	{"descriptor and a byte", func(w *wheeltest.Wheel) {
		described(w, false, true, nothing)
		set := w.Members[0].Local
		w.Members[0].Local = func(h *wheeltest.Header) { set(h); w.Members[0].After = append(w.Members[0].After, 0) }
	}, []string{"data-descriptor a"}},
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range changed {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := sound()
			tt.change(w)
			_, got, err := read(w.Pack())
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reports (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

// read gives the reports, sorted, each once, or "error".
func read(data []byte) (a *zip.Archive, reports []string, err error) {
	a, err = zip.Read(bytes.NewReader(data), int64(len(data)), func(code, path, _ string) { reports = append(reports, code+" "+path) })
	if err != nil {
		return nil, []string{"error"}, err
	}
	slices.Sort(reports)
	return a, slices.Compact(reports), nil
}

// TestMembers holds what is read of members against what was written, by the
// standard library too, whose entries have comments.
func TestMembers(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := stdzip.NewWriter(&b)
	want := map[string]string{}
	// Headers lie on both sides of each window, some longer than one.
	for i := range 40 {
		h := &stdzip.FileHeader{Name: fmt.Sprintf("m%d", i), Method: uint16(8 * (i % 2)), Comment: strings.Repeat("c", i)}
		if i%10 == 9 {
			h.Extra = field(9, make([]byte, 20_000))
		}
		m, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		want[h.Name] = strings.Repeat(h.Name, i*100)
		if _, err := io.WriteString(m, want[h.Name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, reports, err := read(append(b.Bytes(), "junk"...))
	if err != nil || reports != nil || a.Trailing != 4 {
		t.Fatalf("got %q, %d bytes behind, %v", reports, a.Trailing, err)
	}
	got := map[string]string{}
	for i := range a.Members {
		m := &a.Members[i]
		text, err := io.ReadAll(bufio.NewReader(a.Open(m)))
		if err != nil || !m.Readable() || m.Size != int64(len(text)) {
			t.Errorf("%s: %v", m.Name, err)
		}
		got[m.Name] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestWindow has the second header lie across the end of the first look, by
// each number of bytes.
func TestWindow(t *testing.T) {
	t.Parallel()
	for in := range 64 {
		w := sound()
		m := w.Members[0]
		m.Stored, m.Content = true, strings.Repeat("c", 16<<10-30-1-in)
		a, reports, err := read(w.Pack())
		if err != nil || reports != nil {
			t.Fatalf("%d bytes in the first: %q, %v", in, reports, err)
		}
		if text, err := io.ReadAll(bufio.NewReader(a.Open(&a.Members[1]))); string(text) != "content of b" {
			t.Errorf("%d bytes in the first: %q, %v", in, text, err)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		mode       uint16
		kind       fs.FileMode
		executable bool
		dir        bool
	}{
		{"a", 0o100644, 0, false, false},
		{"a", 0o100645, 0, true, false},
		{"a", 0, 0, false, false},
		{"a", 0o000100, 0, true, false},
		{"a", 0o040755, fs.ModeDir, true, false},
		{"a", 0o120777, fs.ModeSymlink, true, false},
		{"a", 0o020666, fs.ModeIrregular, false, false},
		{"a/", 0o100644, 0, false, true},
		{"", 0o100644, 0, false, false},
	} {
		w := sound()
		w.Members[0].Name, w.Members[0].Mode = tt.name, tt.mode
		a, _, err := read(w.Pack())
		if err != nil {
			t.Fatal(err)
		}
		m := &a.Members[0]
		if m.Type() != tt.kind || m.Executable() != tt.executable || m.IsDir() != tt.dir {
			t.Errorf("%q of mode %o: type %v, executable %t, directory %t", tt.name, tt.mode, m.Type(), m.Executable(), m.IsDir())
		}
	}
}

// TestContent reads members that are not what the directory says, in pieces.
func TestContent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*wheeltest.Member)
		code   string
		length int // what is given out before
	}{
		"deflated":        {func(*wheeltest.Member) {}, "", 12},
		"stored":          {func(m *wheeltest.Member) { m.Stored = true }, "", 12},
		"zstd":            {(*wheeltest.Member).Zstd, "", 12},
		"empty":           {func(m *wheeltest.Member) { m.Content = "" }, "", 0},
		"less":            {func(m *wheeltest.Member) { m.Packed = wheeltest.Deflate(m.Content[:5]) }, "size", 5},
		"more":            {func(m *wheeltest.Member) { m.Packed = wheeltest.Deflate(m.Content + "!") }, "size", 12},
		"behind it":       {func(m *wheeltest.Member) { m.Packed = append(wheeltest.Deflate(m.Content), 0) }, "size", 12},
		"cut off":         {func(m *wheeltest.Member) { m.Packed = wheeltest.Deflate(m.Content)[:5] }, "inflate", -1},
		"cut in its end":  {func(m *wheeltest.Member) { p := wheeltest.Deflate(m.Content); m.Packed = p[:len(p)-1] }, "inflate", -1},
		"damaged":         {func(m *wheeltest.Member) { m.Packed = []byte{0xff, 0xff} }, "inflate", 0},
		"other content":   {func(m *wheeltest.Member) { m.Packed = wheeltest.Deflate("other things") }, "crc", 12},
		"encrypted":       {func(m *wheeltest.Member) { m.Central = func(h *wheeltest.Header) { h.Flags |= 1 } }, "local-header", 0},
		"unknown method":  {func(m *wheeltest.Member) { m.Central = func(h *wheeltest.Header) { h.Method = 12 } }, "local-header", 0},
		"no local header": {func(m *wheeltest.Member) { m.Local = func(h *wheeltest.Header) { h.Signature = "XXXX" } }, "local-header", 0},
	} {
		w := sound()
		tt.change(w.Members[0])
		a, _, err := read(w.Pack())
		if err != nil {
			t.Fatal(err)
		}
		r := a.Open(&a.Members[0])
		var text []byte
		for piece, reads := make([]byte, 5), 0; err == nil && reads < 10; reads++ {
			var n int
			n, err = r.Read(piece)
			text = append(text, piece[:n]...)
		}
		code := ""
		if found, ok := errors.AsType[*zip.ContentError](err); ok {
			code = found.Code
		} else if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if code != tt.code || tt.length >= 0 && len(text) != tt.length {
			t.Errorf("%s: %d bytes, then %q (%v), want %d, %q", name, len(text), code, err, tt.length, tt.code)
		}
		again := err
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, again) {
			t.Errorf("%s: the next Read gives %v after %v", name, err, again)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
		if tt.code == "" {
			again = io.ErrClosedPipe
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, again) {
			t.Errorf("%s: a Read after Close gives %v, want %v", name, err, again)
		}
	}
}

// failing fails to read the byte at one place.
type failing struct {
	io.ReaderAt
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestFailingFile tells a file that cannot be read from one that lies. The
// comment keeps what is read in turn out of the first look at the end.
func TestFailingFile(t *testing.T) {
	t.Parallel()
	w := sound()
	for _, m := range w.Members {
		m.Stored = true
	}
	bigEnd(w, func(_, _ []byte, _ *wheeltest.End) {})
	end, trailer := w.End, make([]byte, 2*(1<<16-1))
	w.End = func(e *wheeltest.End) { end(e); e.Trailer = trailer }
	data := w.Pack()
	first, directory := int64(30+1+12), int64(2*(30+1+12))
	locator := int64(len(data) - len(trailer) - 22 - 20)
	broken := &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
	for what, at := range map[string]int64{"end": int64(len(data)) - 1, "locator": locator, "zip64 end": locator - 56, "directory": directory} {
		r := failing{bytes.NewReader(data), at, broken}
		if _, err := zip.Read(r, int64(len(data)), func(string, string, string) {}); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	var reports []string
	r := failing{bytes.NewReader(data), first, broken}
	if _, err := zip.Read(r, int64(len(data)), func(code, path, _ string) { reports = append(reports, code+" "+path) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(reports)
	if diff := cmp.Diff([]string{"local-header a", "local-header b"}, reports); diff != "" {
		t.Errorf("reports of headers that cannot be read (-want +got):\n%s", diff)
	}
	for content, at := range map[string]int64{"a": first - 1, "b": directory - 1} {
		// The window over the headers reads content too, where a file is that small.
		source := &failing{bytes.NewReader(data), -1, broken}
		a, err := zip.Read(source, int64(len(data)), func(code, path, _ string) { t.Error(code, path) })
		if err != nil {
			t.Fatal(err)
		}
		source.at = at
		for i := range a.Members {
			_, err := io.ReadAll(bufio.NewReader(a.Open(&a.Members[i])))
			_, lies := errors.AsType[*zip.ContentError](err)
			if wrong := a.Members[i].Name == content; lies || wrong != errors.Is(err, broken) {
				t.Errorf("member %s, byte %d: %v", a.Members[i].Name, at, err)
			}
		}
	}
}
