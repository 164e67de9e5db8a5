package wheels

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
)

// programs are the programs that build systems ask for by a variable's name.
var programs = map[string]string{"CMAKE_CUDA_COMPILER": "nvcc", "CUDA_HOME": "nvcc", "CMAKE_CXX_COMPILER": "g++", "CMAKE_C_COMPILER": "gcc"}

// NameProgramsOutsidePath adds to the cause, a missing program, where the root
// has it all the same.
func NameProgramsOutsidePath(findings []explain.Finding, root string) {
	for i, f := range findings {
		if f.ID != "missing-program" {
			continue
		}
		name := f.Subject
		if p, ok := programs[name]; ok {
			name = p
		}
		if dir := outsidePath(root, path.Base(name)); dir != "" {
			findings[i].Cause += fmt.Sprintf("; the base has %s in %s, which is not in PATH", path.Base(name), dir)
		}
	}
}

// outsidePath is the directory of the root, as a build sees it, that has a
// program where packages put theirs beside PATH; "" when none has.
func outsidePath(root, name string) string {
	for _, pattern := range []string{"usr/local/*/bin", "opt/*/bin", "usr/lib/*/bin", "opt/*/.venv/bin"} {
		dirs, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
				return "/" + filepath.ToSlash(dir[len(filepath.Clean(root))+1:])
			}
		}
	}
	return ""
}
