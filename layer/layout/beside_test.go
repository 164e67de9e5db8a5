package layout_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// damaged is an image one of whose layers cannot be read to its end.
type damaged struct{ v1.Image }

func (d damaged) Layers() ([]v1.Layer, error) {
	layers, err := d.Image.Layers()
	if err != nil {
		return nil, err
	}
	layers[len(layers)-1] = cutLayer{layers[len(layers)-1]}
	return layers, nil
}

type cutLayer struct{ v1.Layer }

func (l cutLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(rc, 100), failing{}), rc}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is full") }

func anyImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func below(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWriteThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(dir string) error{
		"a new directory":    func(string) error { return nil },
		"an empty directory": func(dir string) error { return os.MkdirAll(dir, 0o755) },
		"a layout":           func(dir string) error { _, err := layout.Write(t.Context(), dir, "old", anyImage(t)); return err },
		"something else": func(dir string) error {
			return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/mine", nil, 0o644))
		},
		"a dangling link": func(dir string) error { return os.Symlink("gone", dir) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "image")
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			before := below(t, parent)
			if _, err := layout.Write(t.Context(), dir, "new", damaged{anyImage(t)}); err == nil {
				t.Fatal("a damaged layer is written")
			}
			if diff := cmp.Diff(before, below(t, parent)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

func TestWriteThroughALink(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(parent, "real"), 0o755), os.Symlink("real", filepath.Join(parent, "image"))); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Write(t.Context(), filepath.Join(parent, "image"), "", anyImage(t)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(parent, "image")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if _, err := layout.Read(filepath.Join(parent, "real"), "latest", v1.Platform{}); err != nil {
		t.Error(err)
	}
}

// What a killed writer left beside the place goes with the next one.
func TestWriteRemovesWhatAKilledWriterLeft(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if err := os.MkdirAll(filepath.Join(parent, ".image.part-123", "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Write(t.Context(), filepath.Join(parent, "image"), "", anyImage(t)); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(parent, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func TestCheckNamesWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := layout.Check(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var refused *layer.OutputError
	if err := layout.Check(dir); !errors.As(err, &refused) || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("error is %v", err)
	}
}
