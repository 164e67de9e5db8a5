package pipeline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
)

// A bundle holds the recipe, those that it extends and their patches, and they
// lie to each other as they did.
func TestRecipeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"common/base.toml": "extends = \"empty\"\n[[source]]\nname = \"vllm\"\npatches = [\"fix.patch\"]\n",
		"team/mine.toml":   "extends = \"../common/base.toml\"\n[[source]]\nname = \"vllm\"\npatches = [\"mine.patch\"]\n",
		"alone.toml":       "extends = \"common/base.toml\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"team/mine.toml": {"team/mine.toml", "common/base.toml", "common/fix.patch", "team/mine.patch"},
		"alone.toml":     {"alone.toml", "common/base.toml", "common/fix.patch"},
	} {
		r, err := recipe.Load(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files, err := recipeFiles(r)
		if err != nil {
			t.Fatal(err)
		}
		top, err := topOf(r, files)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			rel, err := filepath.Rel(top, f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rel)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files of %s in a bundle (-want +got):\n%s", name, diff)
		}
	}
}
