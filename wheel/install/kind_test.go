package install

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]string{ // purelib, scripts, interpreter
		"site-packages":    {"usr/local/lib/python3.12/site-packages", "usr/local/bin", "/usr/bin/python3"},
		"dist-packages":    {"usr/local/lib/python3.12/dist-packages", "usr/local/bin", "/usr/bin/python3"},
		"venv:/opt/venv":   {"opt/venv/lib/python3.12/site-packages", "opt/venv/bin", "/opt/venv/bin/python"},
		"target:/opt/a b":  {"opt/a b", "opt/a b/bin", "/usr/bin/python3"},
		"target:/opt/a:b":  {"opt/a:b", "opt/a:b/bin", "/usr/bin/python3"},
		"venv:/opt/..venv": {"opt/..venv/lib/python3.12/site-packages", "opt/..venv/bin", "/opt/..venv/bin/python"},
	} {
		k, err := ParseKind(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s := k.Scheme("/usr/bin/python3", "3.12")
		if diff := cmp.Diff(want, [3]string{s.Purelib, s.Scripts, s.Python}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if err := s.check(); err != nil || k.String() != text || k.IsZero() {
			t.Errorf("%s: %v, written %s", text, err, k)
		}
	}
	for _, text := range []string{"", "site-packages:/x", "venv", "venv:", "venv:opt", "venv:/", "target:/opt/../x", "target:/a\nb", "usr-local"} {
		if k, err := ParseKind(text); err == nil || !k.IsZero() || !strings.Contains(err.Error(), "installation scheme") {
			t.Errorf("%q: %v, %v", text, k, err)
		}
	}
}
