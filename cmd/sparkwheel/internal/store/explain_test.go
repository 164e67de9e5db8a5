package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	key := func(tree string, patches ...string) store.Key {
		h := store.NewHash("wheel vllm").Field("tree", tree).Field("env", "MAX_JOBS=4")
		for _, p := range patches {
			h.Field("patch", p)
		}
		return h.Key()
	}
	if x := s.Explain(store.Stage, key("aaa")); x.Hit || x.Reason != "never made in this store" {
		t.Errorf("an empty store: %+v", x)
	}
	for _, k := range []store.Key{key("aaa", "one"), key("bbb", "one", "two"), store.NewHash("wheel flashinfer").Field("tree", "ccc").Key()} {
		if _, _, err := s.Do(t.Context(), store.Stage, k, writes("a.whl", "12345")); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		key    store.Key
		hit    bool
		reason string
	}{
		{"there", key("aaa", "one"), true, ""},
		{"one input changed", key("ccc", "one", "two"), false, "tree was bbb, is ccc"},
		{"one of several changed", key("bbb", "one", "three"), false, "patch was two, is three"},
		{"one gone", key("bbb", "two"), false, "patch is gone, was one"},
		{"one new", key("aaa", "one", "four"), false, "patch is new: four"},
		{"two changed", key("ccc", "five"), false, "tree was aaa, is ccc; patch was one, is five"},
		{"another order", key("bbb", "two", "one"), false, "the inputs stand in another order"},
		{"never made", store.NewHash("wheel nccl").Key(), false, "never made in this store"},
	} {
		x := s.Explain(store.Stage, test.key)
		if x.Hit != test.hit || x.Reason != test.reason {
			t.Errorf("%s: %+v, want %v %q", test.name, x, test.hit, test.reason)
		}
		if test.reason != "never made in this store" && (x.Seconds <= 0 || x.Size != 5) {
			t.Errorf("%s: %v seconds, %d bytes", test.name, x.Seconds, x.Size)
		}
	}
	x := s.Explain(store.Stage, key("bbb", "one", strings.Repeat("long ", 1000)))
	want := []store.Change{{Field: "patch", Old: "two", New: x.Changes[0].New}}
	if diff := cmp.Diff(want, x.Changes); diff != "" || !strings.HasPrefix(x.Changes[0].New, "5000 bytes, sha256 ") {
		t.Errorf("a long value (-want +got):\n%s", diff)
	}
}
