package archive

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/sparkwheel/sparkwheel/layer"
)

func TestCheckKeepsWhatIsNotAnArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	oci, docker := filepath.Join(dir, "oci.tar"), filepath.Join(dir, "docker.tar")
	if err := WriteOCI(t.Context(), oci, "latest", img); err != nil {
		t.Fatal(err)
	}
	if err := WriteDocker(t.Context(), docker, "a:b", img); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "mine": "precious\n", "short": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		check func(string) error
		file  string
		free  bool
	}{
		{CheckOCI, oci, true}, {CheckDocker, docker, true}, {CheckOCI, docker, false}, {CheckDocker, oci, false},
		{CheckOCI, filepath.Join(dir, "none"), true}, {CheckOCI, filepath.Join(dir, "empty"), true},
		{CheckOCI, filepath.Join(dir, "mine"), false}, {CheckDocker, filepath.Join(dir, "short"), false}, {CheckOCI, dir, false},
	} {
		err := tc.check(tc.file)
		if _, refused := errors.AsType[*layer.OutputError](err); err != nil && !refused || (err == nil) != tc.free {
			t.Errorf("check of %s = %v, want free %v", filepath.Base(tc.file), err, tc.free)
		}
	}
}
