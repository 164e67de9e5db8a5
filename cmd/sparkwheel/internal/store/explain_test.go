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
		{"one gone", key("bbb", "two"), false, "patch was removed: one"},
		{"one new", key("aaa", "one", "four"), false, "patch is new: four"},
		{"two changed", key("ccc", "five"), false, "tree was aaa, is ccc; patch was one, is five"},
		{"another order", key("bbb", "two", "one"), false, "the inputs are in another order"},
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
	x := s.Explain(store.Stage, key("bbb", "one", strings.Repeat("long ", 10000)))
	want := []store.Change{{Field: "patch", Old: "two", New: x.Changes[0].New}}
	if diff := cmp.Diff(want, x.Changes); diff != "" || !strings.HasPrefix(x.Changes[0].New, "50000 bytes, sha256 ") {
		t.Errorf("a long value (-want +got):\n%s", diff)
	}
}

func TestChangeShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	rules := func(drop string) string {
		return `{"Drop":["flashinfer","flashinfer-*",` + drop + `"triton","fastsafetensors"],"Pin":{"torch":"==2.11.0","torchvision":"==0.26.0"},"Files":["requirements/**"]}`
	}
	for _, test := range []struct{ name, was, is, want string }{
		{"short values", "1", "2", "f was 1, is 2"},
		{"one new", "", "2", "f is new: 2"},
		{"one gone", "1", "", "f was removed: 1"},
		{"digests", "sha256:" + strings.Repeat("a1", 32), strings.Repeat("b2", 20), "f was sha256:a1a1a1a1a1a1, is b2b2b2b2b2b2"},
		{"a name added to a list", rules(""), rules(`"torch-c-dlpack-ext",`), `f was ...flashinfer-*","triton","fastsafe..., is ...flashinfer-*","torch-c-dlpack-ext","triton","fastsafe...`},
		{"another end", strings.Repeat("x", 100), strings.Repeat("x", 100) + "y", "f was ..." + strings.Repeat("x", 16) + ", is ..." + strings.Repeat("x", 16) + "y"},
		{"all of a long value", strings.Repeat("x", 100), "y", "f was " + strings.Repeat("x", 69) + "..., is y"},
		{"words on lines", "a\n\tb", "\n", `f was a b, is ""`},
	} {
		if got := (store.Change{Field: "f", Old: test.was, New: test.is}).String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
