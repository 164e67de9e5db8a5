package sources

import (
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
)

// A tag's version is the tag, however far the commit is from it; scm counts.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	c := git.Commit{Time: time.Date(2026, 6, 3, 9, 56, 43, 0, time.UTC)}
	d := git.Description{Tag: "v0.22.1rc0", Distance: 124, Hash: "ace95c9cf8307301fbcdffacc4ab44e4d5e6829a"}
	for _, tt := range []struct {
		src   recipe.Source
		dirty bool
		want  string
	}{
		{recipe.Source{Version: "scm", Date: "2026-06-03"}, true, "0.22.1rc1.dev124+gace95c9cf.d20260603"},
		{recipe.Source{Version: "scm"}, false, "0.22.1rc1.dev124+gace95c9cf"},
		{recipe.Source{Version: "tag"}, true, "0.22.1rc0"},
	} {
		got, err := versionOf(tt.src, d, c, tt.dirty)
		if err != nil || got.String() != tt.want {
			t.Errorf("%+v, dirty %v: %q (%v), want %q", tt.src, tt.dirty, got, err, tt.want)
		}
	}
}

func TestComputeVersionRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"0.0.0", "0.0+unknown", "unknown", "0"} {
		if got, err := computeVersion(t.Context(), host.Env{}, At{Source: recipe.Source{Name: "a", Version: v}}, nil); err == nil {
			t.Errorf("version %q came out as %q", v, got.stated)
		}
	}
}
