package wheel_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

const file = "x-1.0-py3-none-any.whl"

// sound has one of everything that wheels have.
func sound() *wheeltest.Wheel {
	w := wheeltest.New(file, "x/__init__.py", "print(1)\n", "x/data.bin", strings.Repeat("data", 1000), "x/empty.py", "")
	w.Add(w.DistInfo()+"entry_points.txt", "[console_scripts]\nx = x:main\n")
	w.Add(w.Data()+"scripts/run", "#!python\nprint(2)\n")
	return w
}

// hostile are wheels that must be refused, and the codes of what is wrong.
// The names are those of facts/wheel-install.md 1.4 and of the corpus of zip
// files that uv refuses.
var hostile = []struct {
	name   string
	change func(t *testing.T, w *wheeltest.Wheel)
	want   []string
}{
	// Paths.
	{"traversal", add("../../evil.txt", "x"), []string{"path-traversal"}},
	{"traversal in the middle", add("x/../../evil.txt", "x"), []string{"path-traversal"}},
	{"traversal that stays inside", add("x/../evil.txt", "x"), []string{"path-traversal"}},
	{"dot", add("x/./evil.txt", "x"), []string{"path-traversal"}},
	{"two slashes", add("x//evil.txt", "x"), []string{"path-traversal"}},
	{"absolute", add("/abs/evil", "x"), []string{"path-absolute"}},
	{"only a slash", add("/", ""), []string{"path-empty"}},
	{"out of data", add("x-1.0.data/data/../../../../x", "x"), []string{"path-traversal"}},
	{"newline", add("x/a\nb.py", "x"), []string{"path-characters"}},
	{"NUL", add("x/a\x00b.py", "x"), []string{"path-characters"}},
	{"escape", add("x/\x1b[2J.py", "x"), []string{"path-characters"}},
	{"right-to-left override", add("x/\u202egpj.py", "x"), []string{"path-characters"}},
	{"backslash", add(`x\..\..\evil.py`, "x"), []string{"path-characters"}},
	{"not UTF-8", add("x/\xff.py", "x"), []string{"name-encoding", "path-characters"}},
	{"long component", add("x/"+strings.Repeat("a", 256), "x"), []string{"path-length"}},
	{"long path", add(strings.Repeat("abc/", 1200)+"x", "x"), []string{"path-length"}},
	{"empty name", add("", "x"), []string{"path-empty"}},
	{"name without the UTF-8 flag", change("x/é.py", func(m *wheeltest.Member) {
		m.Local = func(h *wheeltest.Header) { h.Flags = 0 }
		m.Central = m.Local
	}), []string{"name-encoding"}},
	{"another name in an extra field", change("x/a.py", func(m *wheeltest.Member) {
		m.Local = func(h *wheeltest.Header) { h.Extra = unicodePath("x/b.py") }
		m.Central = m.Local
	}), []string{"name-encoding"}},

	// What members are.
	{"symlink", change("x/link", func(m *wheeltest.Member) { m.Content, m.Mode = "/etc/passwd", 0o120777 }), []string{"symlink"}},
	{"device", change("x/dev", func(m *wheeltest.Member) { m.Mode = 0o020666 }), []string{"special-file"}},
	{"directory by mode", change("x/dir", func(m *wheeltest.Member) { m.Mode = 0o040755 }), []string{"special-file"}},
	{"directory with content", change("x/dir/", func(m *wheeltest.Member) { m.Content = "x" }), []string{"special-file"}},
	{"duplicate, same bytes", add("x/__init__.py", "print(1)\n"), []string{"duplicate", "record-duplicate"}},
	{"duplicate, other bytes", add("x/__init__.py", "print(2)\n"), []string{"duplicate", "record-duplicate"}},
	{"duplicate directory", func(_ *testing.T, w *wheeltest.Wheel) { w.Add("x/d/", ""); w.Add("x/d/", "") }, []string{"duplicate"}},
	{"file and directory", add("x/__init__.py/a.py", "x"), []string{"duplicate"}},
	{"file and empty directory", add("x/__init__.py/", ""), []string{"duplicate"}},
	{"encrypted", change("x/a.py", func(m *wheeltest.Member) {
		m.Local = func(h *wheeltest.Header) { h.Flags |= 1 }
		m.Central = m.Local
	}), []string{"encrypted"}},
	{"bzip2", change("x/a.py", func(m *wheeltest.Member) {
		m.Local = func(h *wheeltest.Header) { h.Method = 12 }
		m.Central = m.Local
	}), []string{"compression-method"}},

	// Local headers against the directory.
	{"local name", local(func(h *wheeltest.Header) { h.Name = "x/other.py" }), []string{"local-header"}},
	{"local CRC", local(func(h *wheeltest.Header) { h.CRC32++ }), []string{"local-header"}},
	{"local size", local(func(h *wheeltest.Header) { h.Size++ }), []string{"local-header"}},
	{"local compressed size", local(func(h *wheeltest.Header) { h.Compressed-- }), []string{"local-header"}},
	{"local method", local(func(h *wheeltest.Header) { h.Method = 0 }), []string{"local-header"}},
	{"local flags", local(func(h *wheeltest.Header) { h.Flags = 0 }), []string{"local-header"}},
	{"local signature", local(func(h *wheeltest.Header) { h.Signature = "PKxx" }), []string{"local-header"}},
	{"offset past the end", central(func(h *wheeltest.Header) { h.Offset = 1 << 30 }), []string{"hidden-bytes", "local-header"}},
	{"two entries for one member", central(func(h *wheeltest.Header) { h.Offset = 0 }), []string{"hidden-bytes", "local-header", "overlap", "size"}},
	{"disk", central(func(h *wheeltest.Header) { h.Disk = 1 }), []string{"multi-disk"}},
	{"extra field cut off", central(func(h *wheeltest.Header) { h.Extra = []byte{9, 0, 200, 0, 1} }), []string{"extra-field"}},
	{"zip64 field too short", central(func(h *wheeltest.Header) { h.Extra = []byte{1, 0, 4, 0, 1, 2, 3, 4} }), []string{"zip64"}},
	{"zip64 field too long", central(func(h *wheeltest.Header) { h.Extra = zip64(1, 2, 3, 4, 5) }), []string{"zip64"}},
	{"zip64 field with another size", central(func(h *wheeltest.Header) { h.Extra = zip64(uint64(h.Size) + 1) }), []string{"zip64"}},
	{"two zip64 fields", central(func(h *wheeltest.Header) { h.Extra = append(zip64(uint64(h.Size)), zip64(uint64(h.Size))...) }), []string{"extra-field"}},
	{"two Unicode paths", central(func(h *wheeltest.Header) { h.Extra = append(unicodePath(h.Name), unicodePath("x/other")...) }), []string{"extra-field"}},
	{"huge zip64 size", central(func(h *wheeltest.Header) {
		h.Size, h.Extra = 0xffffffff, zip64(1<<63)
	}), []string{"bomb", "local-header", "record-size", "zip64"}},

	// Data descriptors.
	{"descriptor with another CRC", descriptor(func(crc, packed, size uint32) []byte {
		return u32("PK\x07\x08", crc+1, packed, size)
	}), []string{"data-descriptor"}},
	{"descriptor with CRC 0", descriptor(func(_, packed, size uint32) []byte { return u32("", 0, packed, size) }), []string{"data-descriptor"}},
	{"descriptor with another size", descriptor(func(crc, packed, size uint32) []byte {
		return u32("PK\x07\x08", crc, packed, size+1)
	}), []string{"data-descriptor"}},
	{"descriptor without signature, another size", descriptor(func(crc, packed, size uint32) []byte { return u32("", crc, packed, size+1) }), []string{"data-descriptor"}},
	{"descriptor with another compressed size", descriptor(func(crc, packed, size uint32) []byte {
		return u32("PK\x07\x08", crc, packed+1, size)
	}), []string{"data-descriptor"}},
	{"zip64 descriptor with another size", descriptor(func(crc, packed, size uint32) []byte {
		return u32("PK\x07\x08", crc, packed, 0, size+1, 0)
	}), []string{"data-descriptor"}},
	{"no descriptor", descriptor(func(_, _, _ uint32) []byte { return nil }), []string{"data-descriptor"}},

	// The archive.
	{"truncated", func(_ *testing.T, w *wheeltest.Wheel) { w.Bytes = func(b []byte) []byte { return b[:len(b)-30] } }, []string{"archive"}},
	{"empty file", func(_ *testing.T, w *wheeltest.Wheel) { w.Bytes = func([]byte) []byte { return nil } }, []string{"archive"}},
	{"no zip", func(_ *testing.T, w *wheeltest.Wheel) {
		w.Bytes = func([]byte) []byte { return []byte("<html>404</html>") }
	}, []string{"archive"}},
	{"cut at the front", func(_ *testing.T, w *wheeltest.Wheel) { w.Bytes = func(b []byte) []byte { return b[10:] } }, []string{"archive"}},
	{"a second archive's beginning", func(_ *testing.T, w *wheeltest.Wheel) {
		w.End = func(e *wheeltest.End) { e.Trailer = []byte("junk PK\x03\x04 and more") }
	}, []string{"hidden-archive"}},
	{"a second archive without its end", func(_ *testing.T, w *wheeltest.Wheel) {
		other := wheeltest.New(file, "x/other.py", "evil").Pack()
		w.End = func(e *wheeltest.End) { e.Trailer = other[:len(other)-10] }
	}, []string{"hidden-archive"}},
	{"a second archive whole", func(_ *testing.T, w *wheeltest.Wheel) {
		other := wheeltest.New(file, "x/other.py", "evil").Pack()
		w.End = func(e *wheeltest.End) { e.Trailer = other }
	}, []string{"archive", "hidden-bytes"}},
	{"leading bytes", func(_ *testing.T, w *wheeltest.Wheel) {
		w.Members[0].Local = func(h *wheeltest.Header) { h.Signature = "XXXXXXX" + h.Signature }
	}, []string{"local-header"}},
	{"comment with an archive", func(_ *testing.T, w *wheeltest.Wheel) { w.Comment = "PK\x03\x04" }, []string{"archive-comment"}},
	{"two ends", func(_ *testing.T, w *wheeltest.Wheel) {
		w.Bytes = func(b []byte) []byte { return append(b, b[len(b)-22:]...) }
	}, []string{"hidden-bytes"}},
	{"hidden member", func(_ *testing.T, w *wheeltest.Wheel) {
		m := w.Add("x/hidden.py", "x")
		m.Hidden, m.Unlisted = true, true
	}, []string{"hidden-bytes"}},
	{"bytes between members", change("x/a.py", func(m *wheeltest.Member) { m.After = []byte("gap") }), []string{"hidden-bytes"}},
	{"bytes before the end", func(_ *testing.T, w *wheeltest.Wheel) {
		w.End = func(e *wheeltest.End) { e.Before = []byte("gap") }
	}, []string{"hidden-bytes"}},
	{"fewer entries", func(_ *testing.T, w *wheeltest.Wheel) { w.End = func(e *wheeltest.End) { e.Entries-- } }, []string{"entry-count"}},
	{"more entries", func(_ *testing.T, w *wheeltest.Wheel) { w.End = func(e *wheeltest.End) { e.Entries++ } }, []string{"entry-count"}},
	{"short directory", func(_ *testing.T, w *wheeltest.Wheel) { w.End = func(e *wheeltest.End) { e.Length-- } }, []string{"archive", "hidden-bytes"}},
	{"several disks", func(_ *testing.T, w *wheeltest.Wheel) { w.End = func(e *wheeltest.End) { e.Disk = 1 } }, []string{"multi-disk"}},
	{"zip64 end without its record", func(_ *testing.T, w *wheeltest.Wheel) {
		w.End = func(e *wheeltest.End) { e.Offset = 0xffffffff }
	}, []string{"archive"}},
	{"zip64 end with extensible data", end64(func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[4:], 60)
		return b
	}), []string{"archive"}},
	{"zip64 end with other entries", end64(func(b []byte) []byte { b[32]++; return b }), []string{"entry-count", "multi-disk", "zip64"}},
	{"zip64 locator that points elsewhere", end64(func(b []byte) []byte { b[56+8]++; return b }), []string{"archive"}},

	// Content.
	{"stream cut off", change("x/a.py", func(m *wheeltest.Member) {
		m.Content = strings.Repeat("abcdefg", 100)
		m.Packed = []byte{0x4b, 0x4c}
	}), []string{"inflate"}},
	{"stream damaged", change("x/a.py", func(m *wheeltest.Member) { m.Packed = []byte{0xff, 0xff, 0xff} }), []string{"inflate"}},
	{"bytes after the stream", change("x/a.py", func(m *wheeltest.Member) {
		m.Packed = append(wheeltest.Deflate(m.Content), "junk"...)
	}), []string{"size"}},
	{"zstd, cut off", change("x/a.py", func(m *wheeltest.Member) {
		m.Zstd()
		m.Packed = m.Packed[:len(m.Packed)-3]
	}), []string{"inflate"}},
	{"zstd, bytes after it", change("x/a.py", func(m *wheeltest.Member) {
		m.Zstd()
		m.Packed = append(m.Packed, "junk"...)
	}), []string{"inflate"}},
	{"zstd, another CRC", change("x/a.py", func(m *wheeltest.Member) {
		m.Zstd()
		set := m.Local
		m.Local = func(h *wheeltest.Header) { set(h); h.CRC32++ }
		m.Central = m.Local
	}), []string{"crc"}},
	{"more than its size", change("x/a.py", func(m *wheeltest.Member) {
		m.Packed = wheeltest.Deflate(m.Content + "and more")
	}), []string{"size"}},
	{"less than its size", change("x/a.py", func(m *wheeltest.Member) {
		m.Packed = wheeltest.Deflate(m.Content[:2])
	}), []string{"size"}},
	{"another CRC", change("x/a.py", func(m *wheeltest.Member) {
		m.Local = func(h *wheeltest.Header) { h.CRC32++ }
		m.Central = m.Local
	}), []string{"crc"}},
	{"stored, another CRC", change("x/a.py", func(m *wheeltest.Member) {
		m.Stored, m.Packed = true, []byte("other content here")[:len(m.Content)]
	}), []string{"crc"}},
	{"stored, sizes differ", change("x/a.py", func(m *wheeltest.Member) {
		m.Stored, m.Packed = true, []byte(m.Content+"more")
	}), []string{"local-header", "size"}},
	{"bomb", func(_ *testing.T, w *wheeltest.Wheel) {
		zeros := wheeltest.Deflate(strings.Repeat("\x00", 1<<20))
		for _, name := range []string{"a", "b", "c"} {
			m := w.Add("x/"+name, "")
			m.Packed = zeros
			m.Local = func(h *wheeltest.Header) { h.Method, h.Size = 8, 100<<20 }
			m.Central, m.Unlisted = m.Local, true
		}
	}, []string{"bomb", "record-missing"}},
	{"overlapping bomb", func(_ *testing.T, w *wheeltest.Wheel) {
		for _, name := range []string{"a", "b"} {
			w.Add("x/"+name, "").Central = func(h *wheeltest.Header) { h.Offset, h.Compressed, h.Size = 0, 100, 100 }
		}
	}, []string{"crc", "hidden-bytes", "local-header", "overlap", "record-size"}},

	// dist-info.
	{"no dist-info", func(_ *testing.T, w *wheeltest.Wheel) { w.NoRecord, w.Members = true, w.Members[:2] }, []string{"dist-info"}},
	{"two dist-infos", add("y-1.0.dist-info/METADATA", "x"), []string{"dist-info"}},
	{"dist-info of another distribution", func(_ *testing.T, w *wheeltest.Wheel) { w.File = "y-1.0-py3-none-any.whl"; w.NoRecord = true },
		[]string{"dist-info", "missing-record", "name-mismatch"}},
	{"dist-info of another version", func(_ *testing.T, w *wheeltest.Wheel) { w.File = "x-2.0-py3-none-any.whl"; w.NoRecord = true },
		[]string{"dist-info", "missing-record", "version-mismatch"}},
	{"no METADATA", remove("METADATA"), []string{"missing-metadata"}},
	{"no WHEEL", remove("WHEEL"), []string{"missing-wheel"}},
	{"no RECORD", func(_ *testing.T, w *wheeltest.Wheel) { w.NoRecord = true }, []string{"missing-record"}},
	{"METADATA of another distribution", text("METADATA", "Name: x", "Name: y"), []string{"name-mismatch"}},
	{"METADATA of another version", text("METADATA", "Version: 1.0\n", "Version: 1.1\n"), []string{"version-mismatch"}},
	{"METADATA without a name", text("METADATA", "Name: x\n", ""), []string{"metadata"}},
	{"METADATA with two versions", text("METADATA", "Version: 1.0\n", "Version: 1.0\nVersion: 2.0\n"), []string{"metadata"}},
	{"METADATA with a bad requirement", text("METADATA", "Version: 1.0\n", "Version: 1.0\nRequires-Dist: y >>= 2\nRequires-Dist: [\n"), []string{"metadata"}},
	{"METADATA that is no header", text("METADATA", "Name: x", "\x00\x01"), []string{"metadata"}},
	{"Wheel-Version 2.0", text("WHEEL", "Wheel-Version: 1.0", "Wheel-Version: 2.0"), []string{"wheel-metadata"}},
	{"no Wheel-Version", text("WHEEL", "Wheel-Version: 1.0\n", ""), []string{"wheel-metadata"}},
	{"another tag", text("WHEEL", "py3-none-any", "cp311-cp311-linux_x86_64"), []string{"tag-mismatch"}},
	{"scheme key", add("x-1.0.data/nonsense/x", "x"), []string{"data-directory"}},
	{"scheme key that climbs", add("x-1.0.data/../x", "x"), []string{"data-directory", "path-traversal"}},
	{"file instead of a scheme key", add("x-1.0.data/purelib", "x"), []string{"data-directory"}},
	{"data directory of another version", add("x-2.0.data/data/x", "x"), []string{"data-directory"}},
	{"directory of scripts", add("x-1.0.data/scripts/sub/run", "x"), []string{"data-directory"}},

	// Scripts.
	{"entry point that climbs", points("../../../evil = x:main"), []string{"script-name"}},
	{"entry point with a path", points("bin/evil = x:main"), []string{"script-name"}},
	{"absolute entry point", points("/bin/sh = x:main"), []string{"script-name"}},
	{"entry point called dot-dot", points(".. = x:main"), []string{"script-name"}},
	{"entry point with code", points("evil = x:main;import os"), []string{"entry-points"}},
	{"entry point on two lines", points("evil = x:a\n  b"), []string{"entry-points"}},
	{"entry point without function", points("evil = x"), []string{"entry-points"}},
	{"entry point without value", points("evil"), []string{"entry-points"}},
	{"entry point with a colon", points("evil: x.y"), []string{"entry-points"}},
	{"entry point of both kinds", points("a = x:y\n[gui_scripts]\na = x:y"), []string{"entry-points"}},
	{"python", points("python = x:main"), []string{"reserved-script"}},
	{"python3.13t", points("Python3.13t = x:main"), []string{"reserved-script"}},
	{"pypy3", points("pypy3.exe = x:main"), []string{"reserved-script"}},
	{"graalpy", points("graalpy.py = x:main"), []string{"reserved-script"}},
	{"script python3", add("x-1.0.data/scripts/python3", "x"), []string{"reserved-script"}},
	{"data bin python3.12", add("x-1.0.data/data/bin/python3.12", "x"), []string{"reserved-script"}},

	// RECORD.
	{"lying hash", record(func(s string) string {
		return strings.Replace(s, wheeltest.Row("x/__init__.py", "print(1)\n"), wheeltest.Row("x/__init__.py", "print(2)\n"), 1)
	}), []string{"record-hash"}},
	{"lying size", record(func(s string) string { return strings.Replace(s, ",9\n", ",8\n", 1) }), []string{"record-size"}},
	{"file not listed", change("x/a.py", func(m *wheeltest.Member) { m.Unlisted = true }), []string{"record-missing"}},
	{"ghost row", record(func(s string) string { return s + wheeltest.Row("x/ghost.py", "") }), []string{"record-ghost"}},
	{"row without a hash", record(func(s string) string {
		return strings.Replace(s, wheeltest.Row("x/__init__.py", "print(1)\n"), "x/__init__.py,,\n", 1)
	}), []string{"record-hash"}},
	{"md5", record(func(s string) string {
		return strings.Replace(s, wheeltest.Row("x/__init__.py", "print(1)\n"), "x/__init__.py,md5=aGVsbG8,9\n", 1)
	}), []string{"record-hash"}},
	{"short hash", record(func(s string) string {
		return strings.Replace(s, wheeltest.Row("x/__init__.py", "print(1)\n"), "x/__init__.py,sha256=aGVsbG8,9\n", 1)
	}), []string{"record-hash"}},
	{"row twice", record(func(s string) string { return s + wheeltest.Row("x/__init__.py", "print(1)\n") }), []string{"record-duplicate"}},
	{"two fields", record(func(s string) string { return s + "x/y\n" }), []string{"record"}},
	{"size in words", record(func(s string) string { return strings.Replace(s, ",9\n", ",nine\n", 1) }), []string{"record"}},
	{"negative size", record(func(s string) string { return strings.Replace(s, ",9\n", ",-9\n", 1) }), []string{"record"}},
	{"quote left open", record(func(s string) string { return s + "\"x\n" }), []string{"record"}},

	{"not a wheel's name", func(_ *testing.T, w *wheeltest.Wheel) { w.NoRecord, w.File = true, "x.zip" }, []string{"filename", "missing-record"}},
	{"several at once", func(_ *testing.T, w *wheeltest.Wheel) {
		w.Add("../up", "x")
		w.Find("x/__init__.py").Packed = []byte{0xff}
		w.Find("x/data.bin").Mode = 0o120777
		w.Record = func(s string) string { return s + "ghost,,\n" }
		w.End = func(e *wheeltest.End) { e.Trailer = []byte("junk") }
	}, []string{"inflate", "path-traversal", "record-ghost", "symlink"}},
}

// codes are the codes of the faults that err holds, sorted, each once.
func codes(t *testing.T, err error) []string {
	t.Helper()
	found, ok := errors.AsType[*wheel.VerifyError](err)
	if !ok {
		t.Fatalf("got error %v, want a *wheel.VerifyError", err)
	}
	var got []string
	for _, f := range found.Faults {
		got = append(got, f.Code)
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := sound()
			tt.change(t, w)
			path := w.Write(t, t.TempDir())
			_, err := wheel.Verify(t.Context(), path)
			if diff := cmp.Diff(tt.want, codes(t, err)); diff != "" {
				t.Errorf("codes (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}
