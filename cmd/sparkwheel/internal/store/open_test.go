package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func makePipe(path string) error { return unix.Mkfifo(path, 0o644) }

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file, content, says string
	}{
		{"another version", "version", "sparkwheel store 2\n", `"sparkwheel store 2"`},
		{"damaged version", "version", "", "without a version"},
		{"somebody's files", "thesis.tex", "", "other files"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, test.file), []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(dir)
			version, ok := errors.AsType[*store.VersionError](err)
			if !ok || version.Dir != dir || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "--store") {
				t.Errorf("Open: %v", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("Open changed the directory: %v", left)
			}
		})
	}
}

func TestDoWaitsOnlyAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	key := store.NewHash("x").Key()
	_, _, err := s.Do(t.Context(), store.Stage, key, func(string) error {
		var notes int
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("interrupted"))
		defer cancel()
		_, _, err := other.Noting(func(string, ...any) { notes++ }).Do(ctx, store.Stage, key, notCalled)
		if err == nil || !strings.HasSuffix(err.Error(), "interrupted") || notes != 1 {
			t.Errorf("Do: %v after %d notes", err, notes)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDoRefusesNoKey(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, _, err := s.Do(t.Context(), store.Stage, store.Key{}, notCalled); err == nil {
		t.Error("the zero key was taken")
	}
	if _, _, err := s.Do(t.Context(), "../x", store.NewHash("x").Key(), notCalled); err == nil {
		t.Error("a kind that is no kind was taken")
	}
}

func TestDigestKey(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("0a", 32)
	for in, want := range map[string]string{
		hex: hex, "sha256:" + hex: hex,
		"": "", "../../etc": "", hex[1:]: "", hex + "0": "", strings.ToUpper(hex): "", "sha512:" + hex: "", hex + "\n": "",
	} {
		key, err := store.DigestKey(in)
		if key.String() != want || (err == nil) != (want != "") {
			t.Errorf("DigestKey(%q) = %q, %v", in, key, err)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for name, h := range map[string]*store.Hash{
		"none":       store.NewHash("s"),
		"other salt": store.NewHash("t"),
		"empty":      store.NewHash("s").Field("", ""),
		"ab c":       store.NewHash("s").Field("ab", "c"),
		"a bc":       store.NewHash("s").Field("a", "bc"),
		"two":        store.NewHash("s").Field("a", "").Field("b", ""),
		"turned":     store.NewHash("s").Field("b", "").Field("a", ""),
		"salt eats":  store.NewHash("sab").Field("", "c"),
	} {
		key := h.Key().String()
		if other, ok := keys[key]; ok {
			t.Errorf("%q and %q have one key", name, other)
		}
		keys[key] = name
	}
	if got, want := store.NewHash("s").Field("a", "b").Key().String(), store.NewHash("s").Field("a", "b").Key().String(); got != want {
		t.Errorf("one input, two keys: %s, %s", got, want)
	}
}
