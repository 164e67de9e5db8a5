package store_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func idsOf(entries []store.Entry) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// killed is a store in which a run died at every kind of write among the blobs.
func killed(t *testing.T) (s store.Store, blob string, dead []string) {
	t.Helper()
	s = open(t, t.TempDir())
	blob = fmt.Sprintf("%x", sha256.Sum256([]byte("blob")))
	tar := fmt.Sprintf("sha256-%x", sha256.Sum256([]byte("tar")))
	dead = []string{
		"blobs/" + tar + "/.blob123", "blobs/" + tar + "/.tmp-blob-1", "blobs/sha256-dead/.tmp-x", "blobs/sha256/.tmp-" + blob, "blobs/sha256/" + blob + ".part",
	}
	whole := map[string]string{
		"blobs/sha256/" + blob:   "blob",
		"blobs/" + tar + "/blob": "layer", "blobs/" + tar + "/layer.json": fmt.Sprintf(`{"digest": "sha256:%x"}`, sha256.Sum256([]byte("layer"))),
	}
	for _, id := range dead {
		whole[id] = "half"
	}
	for id, content := range whole {
		if err := writes(id, content)(s.Dir); err != nil {
			t.Fatal(err)
		}
	}
	return s, blob, dead
}

func TestLeftoversAreListedAndCleaned(t *testing.T) {
	t.Parallel()
	s, blob, dead := killed(t)
	slices.Sort(dead)
	left, err := s.Leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dead, idsOf(left)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	// What was begun lately stays without --keep, so that a fetch goes on.
	now := time.Now()
	removed, err := s.Clean(t.Context(), store.Keep{UsedSince: now.Add(-time.Hour)}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(dead), func(id string) bool { return id == "blobs/sha256/"+blob+".part" })
	if diff := cmp.Diff(want, idsOf(removed)); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if faults, err := s.Verify(t.Context(), nil, nil); err != nil || len(faults) > 0 {
		t.Errorf("what is whole: %v, %v", faults, err)
	}
	removed, err = s.Clean(t.Context(), store.Keep{Needed: map[string]bool{}}, false)
	if err != nil || len(removed) != 3 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Blobs(), "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestLeftoversAreNotThoseOfARunAtWork(t *testing.T) {
	t.Parallel()
	s, _, _ := killed(t)
	other, err := store.Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if left, err := s.Leftovers(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestVerifyReadsCompressedTars(t *testing.T) {
	t.Parallel()
	s, _, _ := killed(t)
	blobs, err := filepath.Glob(filepath.Join(s.Blobs(), "sha256-*", "blob"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	if err := os.WriteFile(blobs[0], []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	faults, err := s.Verify(t.Context(), nil, nil)
	if err != nil || len(faults) != 1 {
		t.Errorf("%v, %v", faults, err)
	}
}

// The layers of a push are made of wheels that no lock names and no stage made.
func TestNeededLeavesOutWhatIsMadeOfNothingNeeded(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	pinned, users := fmt.Sprintf("%x", sha256.Sum256([]byte("pinned"))), fmt.Sprintf("%x", sha256.Sum256([]byte("users")))
	var ids []string
	for _, sum := range []string{pinned, users} {
		key := store.NewHash("layer a").Field("form", "1").Input("a.whl", sum).Key()
		if _, _, err := s.Do(t.Context(), store.Stage, key, writes("blob", "layer of "+sum)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, store.Stage+"/"+key.String())
	}
	got := slices.Collect(maps.Keys(s.Needed([]byte("sha256 = " + pinned))))
	if diff := cmp.Diff(ids[:1], got); diff != "" {
		t.Errorf("needed (-want +got):\n%s", diff)
	}
}

func TestInputIsAField(t *testing.T) {
	t.Parallel()
	if a, b := store.NewHash("x").Field("f", "v").Key(), store.NewHash("x").Input("f", "v").Key(); a.String() != b.String() {
		t.Errorf("keys %s and %s", a, b)
	}
}
