package builder

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type member struct {
	name, text string
	mode       os.FileMode
	method     uint16
	at         time.Time
}

func writeZip(t *testing.T, file string, members ...member) {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: m.method, Modified: m.at}
		h.SetMode(m.mode)
		w, err := zw.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRepackIsCanonical(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, b := filepath.Join(dir, "a.whl"), filepath.Join(dir, "b.whl")
	writeZip(t, a,
		member{"x-1.dist-info/RECORD", "r", 0o664, zip.Deflate, at},
		member{"x-1.dist-info/METADATA", "m", 0o664, zip.Deflate, at},
		member{"x/", "", 0o755 | os.ModeDir, zip.Store, at},
		member{"x/b.sh", "b", 0o775, zip.Store, at},
		member{"x/a.py", "a", 0o600, zip.Deflate, at})
	writeZip(t, b,
		member{"x/a.py", "a", 0o644, zip.Store, at.Add(time.Hour)},
		member{"x/b.sh", "b", 0o711, zip.Deflate, at},
		member{"x-1.dist-info/METADATA", "m", 0o644, zip.Store, at},
		member{"x-1.dist-info/RECORD", "r", 0o644, zip.Store, at})
	for _, f := range []string{a, b} {
		if _, err := Repack(t.Context(), f, f+".out", nil); err != nil {
			t.Fatal(err)
		}
	}
	one, err := os.ReadFile(a + ".out")
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b + ".out")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two wheels of the same members differ after Repack")
	}
	z, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range z.File {
		got = append(got, f.Mode().String()+" "+f.Modified.UTC().Format(time.DateOnly)+" "+f.Name)
		if f.Flags&8 != 0 {
			t.Errorf("%s has a data descriptor", f.Name)
		}
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	want := []string{
		"-rw-r--r-- 1980-01-01 x/a.py", "-rwxr-xr-x 1980-01-01 x/b.sh",
		"-rw-r--r-- 1980-01-01 x-1.dist-info/METADATA", "-rw-r--r-- 1980-01-01 x-1.dist-info/RECORD",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRepackFailsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	twice, broken := filepath.Join(dir, "twice.whl"), filepath.Join(dir, "broken.whl")
	writeZip(t, twice, member{name: "a", mode: 0o644}, member{name: "a", mode: 0o644})
	writeZip(t, broken, member{name: "a", text: "hello hello", mode: 0o644, method: zip.Store})
	b, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, bytes.Replace(b, []byte("hello hello"), []byte("hello jello"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{twice, broken, filepath.Join(dir, "missing.whl")} {
		if _, err := Repack(t.Context(), f, filepath.Join(dir, "out"), nil); err == nil {
			t.Errorf("Repack(%s) gave no error", filepath.Base(f))
		} else if f == broken && !errors.Is(err, zip.ErrChecksum) {
			t.Errorf("Repack(broken) = %v, want %v", err, zip.ErrChecksum)
		}
	}
	if left := names(t, dir); len(left) != 2 {
		t.Errorf("the directory holds %q", left)
	}
}
