package index_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// The golden files are pypa/packaging's cpython_tags and compatible_tags.
func TestSupported(t *testing.T) {
	t.Parallel()
	for golden, args := range map[string][2]string{
		"testdata/tags-cp312-2_39_aarch64.txt": {"3.12.3", "manylinux_2_39_aarch64"},
		"testdata/tags-cp311-2_36_x86_64.txt":  {"3.11", "manylinux_2_36_x86_64"},
	} {
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		tags, err := index.Supported(args[0], args[1])
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tag := range tags {
			got = append(got, tag.String())
		}
		if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); diff != "" {
			t.Errorf("%s (-packaging +got):\n%s", golden, diff)
		}
	}
}

func TestSupportedRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][2]string{
		{"2.7", "manylinux_2_39_aarch64"}, {"3", "manylinux_2_39_aarch64"}, {"", "linux_aarch64"},
		{"3.12", ""}, {"3.12", "linux/arm64"}, {"3.12", "win_amd64"}, {"3.12", "manylinux_2_99999_aarch64"},
	} {
		if tags, err := index.Supported(args[0], args[1]); err == nil {
			t.Errorf("Supported(%q, %q) = %d tags, want an error", args[0], args[1], len(tags))
		}
	}
}
