package atomicfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	put := func(content string, fail error) error {
		return atomicfile.Write(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, content); err != nil {
				return err
			}
			if half, err := filepath.Glob(filepath.Join(dir, atomicfile.Temp("f")+"*")); err != nil || len(half) != 1 {
				t.Errorf("while it is written, its directory holds %q, %v", half, err)
			}
			return fail
		})
	}
	if err := put("one", nil); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	if err := put("half of tw", full); !errors.Is(err, full) {
		t.Errorf("a failed write answers %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one" {
		t.Errorf("after a failed write the file is %q, %v", b, err)
	}
	if err := put("three", nil); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "three" {
		t.Errorf("after a second write the file is %q, %v", b, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
	if err := atomicfile.Write(filepath.Join(dir, "missing", "f"), func(io.Writer) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("writing into no directory: %v", err)
	}
}
