package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// silent reports nothing.
type silent struct{}

func (silent) Report(stage.Event) {}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestRequestedPlatform(t *testing.T) {
	t.Parallel()
	h := v1.Platform{OS: "linux", Architecture: "amd64"}
	tests := map[string]struct {
		asked string
		files []string
		want  string
	}{
		"pure wheels":    {"", []string{"a-1-py3-none-any.whl"}, "linux/amd64"},
		"compiled":       {"", []string{"a-1-py3-none-any.whl", "b-1-cp312-cp312-manylinux_2_28_aarch64.whl"}, "linux/arm64"},
		"asked":          {"linux/arm64", []string{"a-1-py3-none-any.whl"}, "linux/arm64"},
		"in two manners": {"", []string{"b-1-cp312-cp312-linux_aarch64.whl", "c-1-cp312-cp312-linux_x86_64.whl"}, "an image is for one platform"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names, err := parseNames(tt.files)
			if err != nil {
				t.Fatal(err)
			}
			p, err := requestedPlatform(host.Env{Host: h}, tt.asked, names)
			got := p.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
