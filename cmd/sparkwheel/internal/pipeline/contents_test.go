package pipeline

import (
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
)

// A URL that another program would take for something else is refused before
// anybody is asked.
func TestContentsOfHostileURLs(t *testing.T) {
	t.Parallel()
	s := &resolving{env: host.Env{Mirrors: &git.Mirrors{Dir: t.TempDir()}}, before: &recipe.Lock{}}
	for url, want := range map[string]string{
		"--upload-pack=touch": "begins with a dash", "ext::sh -c touch": "has a space", "ext::touch": "remote helper", "file:///etc": "is a local file",
		"git@-oProxyCommand=touch:b": "has no host", "../beside.git": "is a local file", "/etc": "is a local file",
	} {
		_, err := s.contentCommit(t.Context(), recipe.Wheel{Name: "w"}, recipe.LockedContent{Name: "a", URL: url, Ref: "v1"}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %q", url, err, want)
		}
	}
	if _, err := s.contentCommit(t.Context(), recipe.Wheel{Name: "w"}, recipe.LockedContent{Name: "a", URL: "https://example.com/a", Ref: "-x"}, nil); err == nil || !strings.Contains(err.Error(), "begins with a dash") {
		t.Errorf("a ref with a dash gave %v", err)
	}
}
