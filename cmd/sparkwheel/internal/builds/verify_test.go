package builds

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	for dir, files := range map[string]map[string]string{
		first:  {"same": "x", "text": "one", "d/gone": "", "mode": "", "kind": ""},
		second: {"same": "x", "text": "other", "d/new": "", "mode": ""},
	} {
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, link := range []struct{ to, at string }{{"same", first + "/link"}, {"text", second + "/link"}, {"same", first + "/alike"}, {"same", second + "/alike"}, {"same", second + "/kind"}} {
		if err := os.Symlink(link.to, link.at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(second, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	all, err := keyed().compare(t.Context(), first, second)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"same": "", "alike": "", "d/gone": "only the first build made it", "d/new": "only the second build made it",
		"text": "(5 bytes), and was sha256:", "link": `it leads to "text", and led to "same"`, "mode": "its mode is -rwxr-xr-x, and was -rw-r--r--", "kind": "its mode is L",
	}
	for _, v := range all {
		if says, ok := want[v.File]; !ok || v.Equal != (says == "") || !strings.Contains(v.Difference, says) {
			t.Errorf("%s: equal %v, %q; want %q", v.File, v.Equal, v.Difference, says)
		}
		delete(want, v.File)
	}
	if len(want) > 0 {
		t.Errorf("not compared: %v", want)
	}
	if diff := cmp.Diff(wheels.Verdict{Wheel: "b", File: "same", SHA256: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", Equal: true}, all[len(all)-2]); diff != "" {
		t.Errorf("the verdict on an equal file (-want +got):\n%s", diff)
	}
}
