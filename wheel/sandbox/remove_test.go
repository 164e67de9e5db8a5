package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRemoveAll(t *testing.T) {
	t.Parallel()
	eachUser(t, func(t *testing.T) {
		work := t.TempDir()
		kept := filepath.Join(work, "kept")
		if err := os.Mkdir(kept, 0o555); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(work, "dir")
		if err := os.MkdirAll(filepath.Join(dir, "locked", "shut"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "locked", "f"), nil, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(kept, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		for path, mode := range map[string]os.FileMode{"locked/shut": 0, "locked": 0o555, ".": 0o555} {
			if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			t.Errorf("the tree is still there: %v", err)
		}
		if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o555 {
			t.Errorf("what a link led to is %v, %v", info, err)
		}
		if err := RemoveAll(dir); err != nil {
			t.Errorf("a second time: %v", err)
		}
	})
}
