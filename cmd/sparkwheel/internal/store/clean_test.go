package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// stocked is a store with an entry of each kind, by their IDs.
func stocked(t *testing.T) (s store.Store, ids map[string]string) {
	t.Helper()
	s = open(t, t.TempDir())
	ids = map[string]string{}
	for _, kind := range []string{store.Stage, store.Rootfs, store.Tools} {
		key := store.NewHash("some " + kind).Key()
		if _, _, err := s.Do(t.Context(), kind, key, writes("a", kind)); err != nil {
			t.Fatal(err)
		}
		ids[kind] = kind + "/" + key.String()
	}
	ids["blob"] = fmt.Sprintf("blobs/sha256/%x", sha256.Sum256([]byte("blob")))
	ids["git"] = "git/0123.git"
	for id, content := range map[string]string{ids["blob"]: "blob", ids["git"] + "/HEAD": "ref: x", "logs/a.log": "said"} {
		if err := writes(id, content)(s.Dir); err != nil {
			t.Fatal(err)
		}
	}
	return s, ids
}

func listed(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	entries, err := s.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestClean(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name string
		keep func(ids map[string]string) store.Keep
		left []string
	}{
		{"only what can be made again", func(map[string]string) store.Keep { return store.Keep{} }, []string{"blob", "git", "tools"}},
		{"what was used lately stays", func(map[string]string) store.Keep {
			return store.Keep{UsedSince: now.Add(-time.Hour)}
		}, []string{"blob", "git", "rootfs", "stage", "tools"}},
		{"all but what is needed", func(ids map[string]string) store.Keep {
			return store.Keep{Needed: map[string]bool{ids["blob"]: true, ids["rootfs"]: true}}
		}, []string{"blob", "rootfs"}},
		{"nothing is needed", func(map[string]string) store.Keep {
			return store.Keep{Needed: map[string]bool{}}
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, ids := stocked(t)
			if err := writes("tmp/resolve-1/x", "left by a dead run")(s.Dir); err != nil {
				t.Fatal(err)
			}
			keep := test.keep(ids)
			would, err := s.Clean(t.Context(), keep, true)
			if err != nil || len(listed(t, s)) != 5 {
				t.Fatalf("a dry run removed: %v, %v", listed(t, s), err)
			}
			did, err := s.Clean(t.Context(), keep, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(would, did); diff != "" {
				t.Errorf("removed (-said +did):\n%s", diff)
			}
			var want []string
			for _, name := range test.left {
				want = append(want, ids[name])
			}
			if diff := cmp.Diff(want, listed(t, s)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if left, _ := os.ReadDir(s.Scratch()); len(left) > 0 {
				t.Errorf("tmp holds %v", left)
			}
			key := store.NewHash("after").Key()
			if _, hit, err := s.Do(t.Context(), store.Stage, key, writes("a", "")); hit || err != nil {
				t.Errorf("the store after cleaning: hit %v, %v", hit, err)
			}
		})
	}
}

// Not parallel: a process that another test starts holds every lock of this one
// from its fork to its exec.
func TestCleanNeedsTheStoreAlone(t *testing.T) {
	s, ids := stocked(t)
	other := open(t, s.Dir)
	for range 2 {
		if _, err := s.Clean(t.Context(), store.Keep{}, false); !errors.Is(err, store.ErrInUse) {
			t.Errorf("Clean: %v", err)
		}
	}
	if err := s.Remove(ids["stage"]); !errors.Is(err, store.ErrInUse) {
		t.Errorf("Remove: %v", err)
	}
	if n := len(listed(t, s)); n != 5 {
		t.Errorf("%d entries left", n)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Clean(t.Context(), store.Keep{}, false); err != nil {
		t.Errorf("Clean after the other ended: %v", err)
	}
}

func noFault(context.Context, string) error { return nil }

func TestVerify(t *testing.T) {
	t.Parallel()
	s, ids := stocked(t)
	var last int64
	faults, err := s.Verify(t.Context(), noFault, func(done, _ int64) { last = done })
	if len(faults) > 0 || err != nil || last == 0 {
		t.Fatalf("a whole store: %v, %v, %d bytes", faults, err, last)
	}
	for _, path := range []string{ids["blob"], ids["stage"] + "/files/a"} {
		if err := os.WriteFile(filepath.Join(s.Dir, path), []byte("BLOB!"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pipe := "blobs/sha256/" + strings.Repeat("f", 64)
	if err := makePipe(filepath.Join(s.Dir, pipe)); err != nil {
		t.Fatal(err)
	}
	faults, err = s.Verify(t.Context(), noFault, nil)
	var got []string
	for _, f := range faults {
		got = append(got, f.ID)
	}
	if diff := cmp.Diff([]string{ids["blob"], pipe, ids["stage"]}, got); diff != "" || err != nil {
		t.Errorf("faults %v, %v (-want +got):\n%s", faults, err, diff)
	}
	faults, err = s.Verify(t.Context(), func(_ context.Context, dir string) error { return errors.New(dir) }, nil)
	if len(faults) != 4 || faults[2] != (store.Fault{ID: ids["git"], Message: filepath.Join(s.Dir, ids["git"])}) || err != nil {
		t.Errorf("with a damaged mirror: %v, %v", faults, err)
	}
	if err := s.Remove(got...); err != nil {
		t.Fatal(err)
	}
	if faults, err := s.Verify(t.Context(), noFault, nil); len(faults) > 0 || err != nil {
		t.Errorf("after the removal: %v, %v", faults, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s, ids := stocked(t)
	// A second name for a blob takes nothing.
	if err := os.Link(filepath.Join(s.Dir, ids["blob"]), s.Path("logs", "linked")); err != nil {
		t.Fatal(err)
	}
	usage, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, u := range usage {
		got[u.Kind] = u.Entries
		if u.Bytes <= 0 && u.Kind != "tmp" {
			t.Errorf("%s takes %d bytes", u.Kind, u.Bytes)
		}
	}
	want := map[string]int{"blobs": 1, "git": 1, "logs": 2, "rootfs": 1, "stage": 1, "tmp": 0, "tools": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
