package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// writes is a fill that writes name with content, below a directory too.
func writes(name, content string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(content), 0o644)
	}
}

func notCalled(string) error { return errors.New("filled again") }

func TestDo(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store"))
	key := store.NewHash("wheel vllm").Field("tree", "abc").Key()
	for _, kind := range []string{store.Stage, store.Rootfs, store.Tools} {
		path, hit, err := s.Do(t.Context(), kind, key, writes("dist/a.whl", kind))
		if err != nil || hit {
			t.Fatalf("%s: hit %v, %v", kind, hit, err)
		}
		again, hit, err := s.Do(t.Context(), kind, key, notCalled)
		if err != nil || !hit || again != path {
			t.Errorf("%s again: %s, hit %v, %v", kind, again, hit, err)
		}
		if got, err := os.ReadFile(filepath.Join(path, "dist/a.whl")); err != nil || string(got) != kind {
			t.Errorf("%s holds %q, %v", kind, got, err)
		}
	}
}

func TestDoKeepsNothingOfAFailure(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	key := store.NewHash("x").Key()
	cause := errors.New("compiler died")
	_, _, err := s.Do(t.Context(), store.Stage, key, func(dir string) error {
		// As a module cache leaves it.
		sub := filepath.Join(dir, "ro")
		return errors.Join(os.Mkdir(sub, 0o755), os.WriteFile(sub+"/f", nil, 0o444), os.Chmod(sub, 0o555), cause)
	})
	if !errors.Is(err, cause) {
		t.Fatalf("Do: %v", err)
	}
	left, _ := filepath.Glob(s.Dir + "/*/*" + key.String() + "*")
	for _, path := range left {
		if !strings.Contains(path, "/locks/") {
			t.Errorf("left %s", path)
		}
	}
	if _, hit, err := s.Do(t.Context(), store.Stage, key, writes("f", "")); hit || err != nil {
		t.Errorf("the same again: hit %v, %v", hit, err)
	}
}

// A digest that fill knows is recorded without reading the file, and held
// against the file whenever that is read: the false one comes to light.
func TestDoHashed(t *testing.T) {
	t.Parallel()
	for digest, sound := range map[string]bool{
		strings.Repeat("0", 64): false,
		sum("wheel"):            true,
	} {
		s := open(t, filepath.Join(t.TempDir(), "store"))
		key := store.NewHash("layer").Field("digest", digest).Key()
		_, _, err := s.DoHashed(t.Context(), store.Stage, key, func(dir string) (map[string]string, error) {
			return map[string]string{"sub/blob": digest}, errors.Join(
				writes("sub/blob", "wheel")(dir), writes("layer.json", "{}")(dir))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, hit, err := s.Do(t.Context(), store.Stage, key, notCalled); !hit || err != nil {
			t.Errorf("sound %v: hit %v, %v", sound, hit, err)
		}
		faults, err := s.Verify(t.Context(), nil, nil)
		if err != nil || (len(faults) == 0) != sound {
			t.Errorf("sound %v: faults %v, %v", sound, faults, err)
		}
	}
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// A file of an entry that gets another name elsewhere, as a layer does in an
// image's directory, is what it was; written to through that name it is not.
func TestDoOfALinkedFile(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store"))
	key := store.NewHash("layer").Field("tree", "abc").Key()
	dir, _, err := s.Do(t.Context(), store.Stage, key, writes("blob", "layer"))
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(filepath.Dir(dir), "entry.json")
	read := func() string {
		text, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before, linked := read(), filepath.Join(t.TempDir(), "linked")
	if err := os.Link(filepath.Join(dir, "blob"), linked); err != nil {
		t.Fatal(err)
	}
	if _, hit, err := s.Do(t.Context(), store.Stage, key, notCalled); !hit || err != nil {
		t.Fatalf("hit %v, %v", hit, err)
	}
	if read() == before {
		t.Error("the record has the stamp of before")
	}
	if err := os.WriteFile(linked, []byte("LAYER"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(linked, linked+"2"); err != nil {
		t.Fatal(err)
	}
	if _, hit, err := s.Do(t.Context(), store.Stage, key, writes("blob", "layer")); hit || err != nil {
		t.Errorf("changed: hit %v, %v", hit, err)
	}
}
