package wheels

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
)

func TestAProgramOutsidePathIsNamed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "usr/local/cuda/bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nvcc"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"RuntimeError: Could not find nvcc and default cuda_home": "; the base has nvcc in /usr/local/cuda/bin, which is not in PATH",
		"CMake Error: No CMAKE_CUDA_COMPILER could be found.":     "; the base has nvcc in /usr/local/cuda/bin, which is not in PATH",
		"sh: 1: ninja: command not found":                         "",
	} {
		var s explain.Scanner
		if _, err := s.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		findings := s.Findings()
		if len(findings) != 1 {
			t.Fatalf("%s: findings %+v", line, findings)
		}
		want = findings[0].Cause + want
		NameProgramsOutsidePath(findings, root)
		if findings[0].Cause != want {
			t.Errorf("%s: cause %q, want %q", line, findings[0].Cause, want)
		}
	}
}
