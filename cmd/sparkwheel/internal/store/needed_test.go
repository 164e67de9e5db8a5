package store_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// made is what two locks' builds leave: of each a base, a tool, a blob, a tree,
// a wheel of the tree, a layer of the wheel, and packages installed over the base.
type made struct {
	commit, base, blob string
	ids                []string
}

func makeAll(t *testing.T, s store.Store, name string) made {
	t.Helper()
	do := func(kind string, key store.Key, content string) string {
		if _, _, err := s.Do(t.Context(), kind, key, writes("out", content)); err != nil {
			t.Fatal(err)
		}
		return kind + "/" + key.String()
	}
	m := made{
		commit: fmt.Sprintf("%x", sha256.Sum256([]byte("commit "+name)))[:40],
		base:   fmt.Sprintf("%x", sha256.Sum256([]byte("base "+name))),
		blob:   fmt.Sprintf("%x", sha256.Sum256([]byte(name))),
	}
	if err := writes("blobs/sha256/"+m.blob, name)(s.Dir); err != nil {
		t.Fatal(err)
	}
	base, err := store.DigestKey("sha256:" + m.base)
	if err != nil {
		t.Fatal(err)
	}
	tree := store.NewHash("tree").Field("commit", m.commit).Field("patch", strings.Repeat("f", 64)).Key()
	wheel := store.NewHash("wheel").Field("tree", tree.String()).Field("base", "sha256:"+m.base).Field("requires", m.blob).Key()
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("wheel of "+name)))
	packages := store.NewHash("packages").Field("base", "sha256:"+m.base).Field("build", tree.String()).Key()
	root, err := store.DigestKey("sha256:" + packages.String())
	if err != nil {
		t.Fatal(err)
	}
	m.ids = []string{
		"blobs/sha256/" + m.blob,
		do(store.Rootfs, base, ""),
		do(store.Tools, store.NewHash("uv").Field("wheel", m.blob).Key(), "uv"),
		do(store.Stage, tree, "tree of "+name),
		do(store.Stage, wheel, "wheel of "+name),
		do(store.Stage, store.NewHash("layer").Field("wheel", sum).Key(), "layer of "+name),
		do(store.Stage, packages, "packages over "+name),
		do(store.Rootfs, root, ""),
	}
	return m
}

func (m made) lock() []byte {
	return fmt.Appendf(nil, "commit = %q\ndigest = \"sha256:%s\"\nsha256 = %q\n", m.commit, m.base, m.blob)
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	a, b := makeAll(t, s, "a"), makeAll(t, s, "b")
	for _, test := range []struct {
		name  string
		locks [][]byte
		want  []string
	}{
		{"one lock", [][]byte{a.lock()}, a.ids},
		{"the other", [][]byte{b.lock()}, b.ids},
		{"both", [][]byte{a.lock(), b.lock()}, append(slices.Clone(a.ids), b.ids...)},
		{"none", nil, nil},
		{"one lock without its blob", [][]byte{[]byte(strings.ReplaceAll(string(a.lock()), a.blob, ""))}, []string{a.ids[1], a.ids[3], a.ids[6], a.ids[7]}},
	} {
		slices.Sort(test.want)
		got := slices.Sorted(maps.Keys(s.Needed(test.locks...)))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
