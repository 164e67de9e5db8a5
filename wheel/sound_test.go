package wheel_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

func TestSound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *wheeltest.Wheel){
		"as it is": func(*testing.T, *wheeltest.Wheel) {},
		"comment":  func(_ *testing.T, w *wheeltest.Wheel) { w.Comment = "made by hand, ü" },
		"NULs behind": func(_ *testing.T, w *wheeltest.Wheel) {
			w.End = func(e *wheeltest.End) { e.Trailer = make([]byte, 1000) }
		},
		"junk behind": func(_ *testing.T, w *wheeltest.Wheel) {
			w.End = func(e *wheeltest.End) { e.Trailer = []byte("junk") }
		},
		"RECORD with ./":               record(func(s string) string { return "./" + strings.Replace(s, "\nx/", "\n.//x/./", 1) }),
		"zstd":                         func(_ *testing.T, w *wheeltest.Wheel) { w.Find("x/data.bin").Zstd() },
		"stored":                       func(_ *testing.T, w *wheeltest.Wheel) { w.Find("x/data.bin").Stored = true },
		"descriptor":                   descriptor(func(crc, packed, size uint32) []byte { return u32("PK\x07\x08", crc, packed, size) }),
		"descriptor without signature": descriptor(func(crc, packed, size uint32) []byte { return u32("", crc, packed, size) }),
		"zip64 descriptor":             descriptor(func(crc, packed, size uint32) []byte { return u32("PK\x07\x08", crc, packed, 0, size, 0) }),
		"zip64 descriptor, no sign":    descriptor(func(crc, packed, size uint32) []byte { return u32("", crc, packed, 0, size, 0) }),
		"zip64 end":                    end64(bytes.Clone),
		"zip64 field": central(func(h *wheeltest.Header) {
			h.Extra = zip64(uint64(h.Size), uint64(h.Compressed))
			h.Size, h.Compressed = 0xffffffff, 0xffffffff
		}),
		"zip64 field of all values": central(func(h *wheeltest.Header) {
			h.Extra = zip64(uint64(h.Size), uint64(h.Compressed), uint64(h.Offset))
			h.Size, h.Compressed = 0xffffffff, 0xffffffff
		}),
		"padded extra field":   local(func(h *wheeltest.Header) { h.Extra = []byte{9, 0, 1, 0, 1, 0, 0, 0} }),
		"signatures of RECORD": func(_ *testing.T, w *wheeltest.Wheel) { w.Add(w.DistInfo()+"RECORD.jws", "{}").Unlisted = true },
		"directories":          func(_ *testing.T, w *wheeltest.Wheel) { w.Add("x/", ""); w.Add("x-1.0.data/scripts/", "") },
		"name in UTF-8":        add("x/größe, \"ja\".py", "x"),
		"RECORD of CRLF":       record(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }),
		"hash with padding":    record(func(s string) string { return strings.Replace(s, ",9\n", "=,9\n", 1) }),
		"no sizes":             record(func(s string) string { return strings.Replace(s, ",9\n", ",\n", 1) }),
		"local part not in METADATA": func(_ *testing.T, w *wheeltest.Wheel) {
			w.File = "x-1.0+cu130-py3-none-any.whl"
			for _, m := range w.Members {
				m.Name = strings.Replace(m.Name, "x-1.0.", "x-1.0+cu130.", 1)
			}
		},
		"two Wheel-Versions": text("WHEEL", "Wheel-Version: 1.0\n", "Wheel-Version: 1.0\nWheel-Version: 9.0\n"),
		"names in two cases": add("x/__INIT__.py", "x"),
		"scripts that start like interpreters": func(_ *testing.T, w *wheeltest.Wheel) {
			w.Add(w.Data()+"scripts/python-config", "x")
			w.Add(w.Data()+"scripts/pythonic", "x")
			w.Add(w.Data()+"data/share/python3", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sound()
			change(t, w)
			path := w.Write(t, t.TempDir())
			if _, err := wheel.Verify(t.Context(), path); err != nil {
				t.Error(err)
			}
			r, err := wheel.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is legal and odd is a warning, and which.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*testing.T, *wheeltest.Wheel)
		want   wheel.Fault
	}{
		"junk behind": {func(_ *testing.T, w *wheeltest.Wheel) {
			w.End = func(e *wheeltest.End) { e.Trailer = []byte("junk") }
		}, wheel.Fault{Code: "trailing-bytes", Message: "4 bytes follow the end of the archive"}},
		"RECORD with ./": {record(func(s string) string { return "./" + s }),
			wheel.Fault{Code: "record-path", Path: "./x/__init__.py", Message: "RECORD writes the path with . or empty components"}},
	} {
		w := sound()
		test.change(t, w)
		warnings, err := wheel.Verify(t.Context(), w.Write(t, t.TempDir()))
		if diff := cmp.Diff([]wheel.Fault{test.want}, warnings); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestVerifyStops(t *testing.T) {
	t.Parallel()
	path := sound().Write(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wheel.Verify(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
