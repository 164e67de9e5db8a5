package base

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/layer"
)

func TestWithin(t *testing.T) {
	t.Parallel()
	s := layer.Shape{
		Links: map[string]string{"lib": "usr/lib", "usr/local": "opt/local", "opt": "srv/opt", "var/run": "run", "usr/local/man": "share/man"},
		Dirs:  map[string]layer.Dir{"tmp": {Mode: 0o1777}, "usr": {Mode: 0o711}, "srv/opt/local": {Mode: 0o2775}, "run": {Mode: 0o700}},
	}
	want := layer.Shape{
		Links: map[string]string{"usr/local": "opt/local", "opt": "srv/opt"},
		Dirs:  map[string]layer.Dir{"usr": {Mode: 0o711}, "srv/opt/local": {Mode: 0o2775}},
	}
	for range 20 { // maps have no order: what is met must not depend on it
		if diff := cmp.Diff(want, Within(s, "usr/local/lib")); diff != "" {
			t.Fatalf("within (-want +got):\n%s", diff)
		}
	}
}
