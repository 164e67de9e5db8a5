package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// fillEntry is an entry with one of everything.
func fillEntry(dir string) error {
	return errors.Join(
		writes("dist/a.whl", "wheel")(dir),
		os.WriteFile(filepath.Join(dir, "run"), []byte("#!/bin/sh\n"), 0o755),
		os.Symlink("dist/a.whl", filepath.Join(dir, "latest")),
		os.Mkdir(filepath.Join(dir, "empty"), 0o755),
	)
}

func TestDoTakesDamageAsAMiss(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		kind   string
		damage func(entry string) error // its directory, above files
		says   string
	}{
		{"changed byte", store.Stage, func(e string) error { return os.WriteFile(e+"/files/dist/a.whl", []byte("whEel"), 0o644) }, "sha256"},
		{"changed byte with its old time", store.Tools, changeQuietly, "sha256"},
		{"truncated", store.Stage, func(e string) error { return os.Truncate(e+"/files/dist/a.whl", 2) }, "2 bytes of 5"},
		{"missing file", store.Stage, func(e string) error { return os.Remove(e + "/files/dist/a.whl") }, "missing"},
		{"missing directory", store.Stage, func(e string) error { return os.Remove(e + "/files/empty") }, "missing"},
		{"missing files", store.Stage, func(e string) error { return os.RemoveAll(e + "/files") }, "no such file"},
		{"added file", store.Stage, func(e string) error { return os.WriteFile(e+"/files/dist/b.whl", nil, 0o644) }, "not written by sparkwheel"},
		{"added pipe", store.Stage, func(e string) error { return makePipe(e + "/files/pipe") }, "not written by sparkwheel"},
		{"not executable", store.Stage, func(e string) error { return os.Chmod(e+"/files/run", 0o644) }, "another file"},
		{"other link", store.Stage, func(e string) error {
			return errors.Join(os.Remove(e+"/files/latest"), os.Symlink("/etc/passwd", e+"/files/latest"))
		}, "another link"},
		{"file became a link", store.Stage, func(e string) error {
			return errors.Join(os.Remove(e+"/files/run"), os.Symlink("/bin/sh", e+"/files/run"))
		}, "another link"},
		{"record gone", store.Stage, func(e string) error { return os.Remove(e + "/entry.json") }, "entry.json is missing"},
		{"record empty", store.Stage, func(e string) error { return os.Truncate(e+"/entry.json", 0) }, "entry.json"},
		{"record of another entry", store.Stage, otherRecord, "is that of"},
		{"base gone", store.Rootfs, func(e string) error { return os.RemoveAll(e + "/files") }, "no such file"},
		{"base replaced", store.Rootfs, func(e string) error {
			return errors.Join(os.RemoveAll(e+"/files"), os.WriteFile(e+"/files", nil, 0o644))
		}, "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var notes []string
			s := open(t, t.TempDir()).Noting(func(format string, args ...any) {
				notes = append(notes, fmt.Sprintf(format, args...))
			})
			key := store.NewHash("wheel vllm").Field("tree", "1").Key()
			path, _, err := s.Do(t.Context(), test.kind, key, fillEntry)
			if err != nil {
				t.Fatal(err)
			}
			if err := test.damage(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if x := s.Explain(test.kind, key); x.Hit || !strings.Contains(x.Reason, test.says) {
				t.Errorf("Explain: %+v, want %q", x, test.says)
			}
			if _, hit, err := s.Do(t.Context(), test.kind, key, fillEntry); hit || err != nil {
				t.Errorf("Do: hit %v, %v", hit, err)
			}
			if said := strings.Join(notes, "\n"); !strings.Contains(said, "damaged") || !strings.Contains(said, test.says) {
				t.Errorf("said %q, want %q", said, test.says)
			}
			if _, hit, err := s.Do(t.Context(), test.kind, key, notCalled); !hit || err != nil {
				t.Errorf("Do after the repair: hit %v, %v", hit, err)
			}
		})
	}
}

// changeQuietly changes a file and sets its time back, as damage by a careless
// copy would; only the inode's change time tells.
func changeQuietly(entry string) error {
	path := entry + "/files/dist/a.whl"
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, []byte("whEel"), 0o644), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func otherRecord(entry string) error {
	text, err := os.ReadFile(entry + "/entry.json")
	if err != nil {
		return err
	}
	other := strings.Replace(string(text), filepath.Base(entry), strings.Repeat("0", 64), 1)
	return os.WriteFile(entry+"/entry.json", []byte(other), 0o644)
}

// TestDoTakesACopiedStore holds both halves of the stamps: the files of a copy
// have others and are read, once.
func TestDoTakesACopiedStore(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	key := store.NewHash("x").Key()
	if _, _, err := s.Do(t.Context(), store.Stage, key, writes("a", "x")); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(s.Dir)); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(copied, "stage", key.String(), "entry.json")
	records := make([]string, 3)
	for i := range records {
		text, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		records[i] = string(text)
		if _, hit, err := open(t, copied).Do(t.Context(), store.Stage, key, notCalled); !hit || err != nil {
			t.Errorf("hit %v, %v", hit, err)
		}
	}
	if records[0] == records[1] || records[1] != records[2] {
		t.Errorf("the stamps of a copy, before and after two hits: %q", records)
	}
}

// TestDoTakesAnyBase holds that a base may have what no output of ours has, and
// that Verify alone reads it.
func TestDoTakesAnyBase(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	key := store.NewHash("base").Key()
	path, _, err := s.Do(t.Context(), store.Rootfs, key, func(dir string) error {
		return errors.Join(
			makePipe(filepath.Join(dir, "initctl")),
			os.WriteFile(filepath.Join(dir, "shadow"), []byte("root:*"), 0o000),
			os.WriteFile(filepath.Join(dir, "sh"), []byte("elf"), 0o755),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := s.Verify(t.Context(), noFault, nil); len(faults) > 0 || err != nil {
		t.Errorf("Verify: %v, %v", faults, err)
	}
	if err := os.WriteFile(filepath.Join(path, "sh"), []byte("ELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, hit, err := s.Do(t.Context(), store.Rootfs, key, notCalled); !hit || err != nil {
		t.Errorf("hit %v, %v", hit, err)
	}
	faults, err := s.Verify(t.Context(), noFault, nil)
	if len(faults) != 1 || !strings.Contains(faults[0].Message, "sh has the sha256") || err != nil {
		t.Errorf("Verify after the damage: %v, %v", faults, err)
	}
}

func TestDoRefusesPipes(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	_, _, err := s.Do(t.Context(), store.Stage, store.NewHash("x").Key(), func(dir string) error {
		return makePipe(filepath.Join(dir, "pipe"))
	})
	if err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("Do: %v", err)
	}
}

// TestDoInterrupted holds that a check cut short is not taken for damage.
func TestDoInterrupted(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir()).Noting(func(format string, args ...any) { t.Errorf(format, args...) })
	key := store.NewHash("x").Key()
	if _, _, err := s.Do(t.Context(), store.Stage, key, writes("a", "x")); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errors.New("interrupted"))
	if _, hit, err := s.Do(ctx, store.Stage, key, notCalled); hit || err == nil || err.Error() != "interrupted" {
		t.Errorf("hit %v, %v", hit, err)
	}
	if _, hit, err := s.Do(t.Context(), store.Stage, key, notCalled); !hit || err != nil {
		t.Errorf("after it: hit %v, %v", hit, err)
	}
}
