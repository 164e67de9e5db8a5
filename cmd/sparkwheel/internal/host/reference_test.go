package host

import (
	"testing"
)

func TestSplitTag(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"dir":            {"dir", "latest"},
		"a/b:v1":         {"a/b", "v1"},
		"/a:b/c":         {"/a:b/c", "latest"},
		"out/image:test": {"out/image", "test"},
	} {
		if dir, tag := SplitTag(in); dir != want[0] || tag != want[1] {
			t.Errorf("SplitTag(%q) = %q, %q, want %q", in, dir, tag, want)
		}
	}
}
