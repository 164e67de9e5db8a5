package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// A look says what is there, what is missing and how much of that is to come.
func TestLook(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	env := Env{Store: s}
	here, cut, gone := index.Pin{File: "here", SHA256: "1", Size: 2}, index.Pin{File: "cut", SHA256: "2", Size: 20}, index.Pin{File: "gone", SHA256: "3", Size: 300}
	if err := os.MkdirAll(filepath.Dir(here.Path(s.Blobs())), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, pin := range []index.Pin{here, cut} {
		if err := os.WriteFile(pin.Path(s.Blobs()), []byte("ab"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made, missing := store.NewHash("x").Field("a", "1").Key(), store.NewHash("x").Field("a", "2").Key()
	if _, _, err := s.Do(t.Context(), store.Stage, made, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "compile-commands.json"), []byte(`[{"file": "a.cc"}, {"file": "b.cu", "cuda": true}, {"file": "try.cu", "cuda": true, "trial": true}]`), 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		entry Entry
		want  stage.Look
		kept  bool
	}{
		"files that are there": {entry: Entry{Sum: "s", Pins: []index.Pin{here}}, want: stage.Look{Key: "s", Hit: true}},
		"files that are not": {
			entry: Entry{Sum: "s", Pins: []index.Pin{here, cut, gone}},
			want:  stage.Look{Key: "s", Reason: "not cached: cut, gone", BytesToFetch: 320},
		},
		"an entry": {entry: Entry{Kind: store.Stage, Key: made, Pins: []index.Pin{gone}}, want: stage.Look{Key: made.String(), Hit: true, Objects: 2, CUDAObjects: 1}, kept: true},
		"no entry": {
			entry: Entry{Kind: store.Stage, Key: missing, Pins: []index.Pin{gone}},
			want:  stage.Look{Key: missing.String(), Reason: "a was 1, is 2", BytesToFetch: 300, Objects: 2, CUDAObjects: 1},
		},
		"one that waits": {entry: Entry{Kind: store.Stage, Waits: "w is built first"}, want: stage.Look{Reason: "w is built first"}},
	} {
		test.entry.Name, test.want.Name = name, name
		got := env.Look(test.entry)
		got.LastSeconds = 0
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if test.entry.Kind != "" && (env.Kept(test.entry) != "") != test.kept {
			t.Errorf("%s is kept at %q", name, env.Kept(test.entry))
		}
	}
}
