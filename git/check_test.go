package git_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/git"
)

// TestCheckMirror damages a repository that git itself made, file by file.
func TestCheckMirror(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
	}
	run("init", "-q")
	run("commit", "-q", "--allow-empty", "-m", "packed")
	run("repack", "-adq")
	run("commit", "-q", "--allow-empty", "-m", "loose")
	mirror := filepath.Join(dir, ".git")
	if err := git.CheckMirror(t.Context(), mirror); err != nil {
		t.Fatalf("a whole repository: %v", err)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(mirror, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind := filepath.Ext(path)
		if kind != "" && kind != ".pack" && kind != ".idx" {
			return nil // such as .rev, which git can do without
		}
		if kind == "" && filepath.Base(filepath.Dir(path)) == "info" {
			return nil
		}
		seen[kind] = true
		for name, damaged := range map[string][]byte{
			"a changed byte": append([]byte{whole[0] ^ 1}, whole[1:]...),
			"a lost end":     whole[:len(whole)-1],
			"nothing left":   {},
		} {
			if err := os.Chmod(path, 0o644); err != nil {
				return err
			}
			if err := os.WriteFile(path, damaged, 0o644); err != nil {
				return err
			}
			if err := git.CheckMirror(t.Context(), mirror); err == nil || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s with %s: %v", path, name, err)
			}
		}
		return os.WriteFile(path, whole, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 {
		t.Errorf("only %v were damaged", seen)
	}
}
