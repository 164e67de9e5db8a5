package wheel_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
)

func FuzzParseFilename(f *testing.F) {
	for _, name := range []string{file, "vllm-0.23.0-2-cp38-abi3-manylinux_2_28_aarch64.whl", "a_b-1!2.0.dev1+g1_2-py2.py3-none-any.whl", "../../x-1.0-py3-none-any.whl", "x-1.0-py3-none-any.whl\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		w, err := wheel.ParseFilename(name)
		if err != nil {
			return
		}
		if w.String() != name || filepath.Base(name) != name || strings.ContainsAny(name, "/\\\x00\n") || len(w.Tags) == 0 || w.Distribution == "" || w.Version.IsZero() {
			t.Errorf("%q was taken for %+v", name, w)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, text := range []string{"a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nRECORD,,\n", "\"a,\"\"\r\nb\",,\n", "a,b\n", "\"", "a,,-1\n", "/abs,,\n../../x,md5=x,1\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		record, err := wheel.ParseRecord(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := wheel.ParseRecord(bytes.NewReader(record.Append(nil)))
		if err != nil {
			t.Fatalf("what Append writes cannot be parsed: %v", err)
		}
		if diff := cmp.Diff(record, again); diff != "" {
			t.Errorf("Append and ParseRecord change the rows (-before +after):\n%s", diff)
		}
		for _, e := range record {
			if h, sum, err := e.Sum(); err == nil && h != 0 && len(sum) != h.Size() {
				t.Errorf("%q has a digest of %d bytes", e.Hash, len(sum))
			}
		}
	})
}

func FuzzParseMetadata(f *testing.F) {
	for _, text := range []string{"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nRequires-Dist: a>=1; extra == 'b'\n\nbody", "\ufeffName : x", " folded", "Name:x\n\ty\n", "\x00", "Name: x\r\n\r\nVersion: 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, errs := wheel.ParseMetadata(strings.NewReader(text))
		if len(errs) == 0 && (m.Version.IsZero() || len(m.Text) != len(m.RequiresDist)) {
			t.Errorf("%q gave %+v without an error", text, m)
		}
		// The body says nothing.
		if head, _, ok := strings.Cut(text, "\n\n"); ok {
			again, _ := wheel.ParseMetadata(strings.NewReader(head + "\n\n"))
			if again.Name != m.Name || len(again.RequiresDist) != len(m.RequiresDist) {
				t.Errorf("%q: the body changes %+v to %+v", text, again, m)
			}
		}
	})
}

func FuzzParseEntryPoints(f *testing.F) {
	for _, text := range []string{"[console_scripts]\na = x:y [z]\n", "[gui_scripts]\n a=b:c\n  d\n", "[console_scripts]\n../evil = x:y;import os\n", "[a\n=\n]", "[[]]\n[]\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		points, _ := wheel.ParseEntryPoints(strings.NewReader(text))
		for _, e := range points {
			if e.Name == "" || strings.ContainsAny(e.Module+e.Function, " \n\r\t;()'\"#,:=") {
				t.Errorf("%q: %+v would put code into a launcher", text, e)
			}
		}
	})
}

// FuzzVerify feeds whole archives. Whatever passes must be read by another zip
// reader with the same members and bytes, and stay below the directory it is
// unpacked to.
func FuzzVerify(f *testing.F) {
	f.Add(sound().Pack())
	for _, tt := range hostile {
		w := sound()
		tt.change(&testing.T{}, w)
		f.Add(w.Pack())
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, archive, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := wheel.Verify(t.Context(), path); err != nil {
			return
		}
		r, err := wheel.Open(path)
		if err != nil {
			t.Fatalf("Verify takes it, Open does not: %v", err)
		}
		defer r.Close()
		other, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatalf("archive/zip does not read it: %v", err)
		}
		i := 0
		for m := range r.Files() {
			if i >= len(other.File) || other.File[i].Name != m.Path() || !filepath.IsLocal(m.Path()) {
				t.Fatalf("member %d is %q here and another to archive/zip", i, m.Path())
			}
			same(t, m, other.File[i])
			i++
		}
		if i != len(other.File) {
			t.Errorf("%d members here, %d to archive/zip", i, len(other.File))
		}
	})
}

func same(t *testing.T, m wheel.File, other *zip.File) {
	t.Helper()
	if other.Method == 93 || m.IsDir() {
		return // archive/zip has no zstd
	}
	a := m.Open()
	defer a.Close()
	b, err := other.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	want, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(a)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v here, %d to archive/zip", m.Path(), len(got), err, len(want))
	}
}
