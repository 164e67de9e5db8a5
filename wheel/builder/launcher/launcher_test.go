package launcher

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	if Called(os.Args) {
		os.Exit(Run(os.Args, os.Environ(), os.Stderr))
	}
	os.Exit(m.Run())
}

func TestReproducible(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args, want, arch string
		compiles         bool
	}{
		"flashinfer's ninja": {
			args:     "/usr/local/cuda/bin/nvcc --generate-dependencies-with-compile --dependency-output a.o.d -DX -gencode=arch=compute_121a,code=sm_121a -c a.cu -o a.o",
			want:     "/usr/local/cuda/bin/nvcc -MD -MF a.o.d -DX -gencode=arch=compute_121a,code=sm_121a -c a.cu -o a.o -objtemp -frandom-seed=SEED -Xcompiler=-ffile-prefix-map=/build/src=.",
			arch:     "sm_121a",
			compiles: true,
		},
		"cmake's": {
			args:     "nvcc -forward-unknown-to-host-compiler --generate-code=arch=compute_120f,code=[compute_120f,sm_120f] -gencode arch=compute_90a,code=sm_90a -x cu -c /build/src/k.cu -o CMakeFiles/k.cu.o",
			want:     "nvcc -forward-unknown-to-host-compiler --generate-code=arch=compute_120f,code=[compute_120f,sm_120f] -gencode arch=compute_90a,code=sm_90a -x cu -c /build/src/k.cu -o CMakeFiles/k.cu.o -objtemp -frandom-seed=SEED -Xcompiler=-ffile-prefix-map=/build/src=.",
			arch:     "compute_120f sm_120f sm_90a",
			compiles: true,
		},
		"all said already": {
			args:     "nvcc -arch=sm_121a -dc -objtemp -frandom-seed=1 a.cu -o a.o",
			want:     "nvcc -arch=sm_121a -dc -objtemp -frandom-seed=1 a.cu -o a.o -Xcompiler=-ffile-prefix-map=/build/src=.",
			arch:     "sm_121a",
			compiles: true,
		},
		"g++":       {args: "g++ -MD -MF a.d -include b.c -o a.o -c a.cpp", want: "g++ -MD -MF a.d -include b.c -o a.o -c a.cpp -frandom-seed=SEED -ffile-prefix-map=/build/src=.", compiles: true},
		"a link":    {args: "nvcc -shared -arch sm_121a a.o -o a.so", arch: "sm_121a"},
		"a version": {args: "nvcc --version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := parse(strings.Fields(tc.args), "/build/src/sub")
			if c.compiles() != tc.compiles || strings.Join(c.arch, " ") != tc.arch {
				t.Errorf("compiles %v for %q, want %v for %q", c.compiles(), c.arch, tc.compiles, tc.arch)
			}
			if !tc.compiles {
				return
			}
			want := strings.ReplaceAll(tc.want, "SEED", c.seed("/build/src"))
			if diff := cmp.Diff(want, strings.Join(c.reproducible("/build/src"), " ")); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	seed := func(dir, line, source string) string { return parse(strings.Fields(line), dir).seed(source) }
	one := seed("/build/src", "nvcc -c a.cu -o a.o", "/build/src")
	if other := seed("/else/where", "nvcc -c a.cu -o a.o", "/else/where"); other != one {
		t.Errorf("the same file in two places has seeds %s and %s", one, other)
	}
	for _, line := range []string{"nvcc -c b.cu -o a.o", "nvcc -c a.cu -o b.o", "nvcc -c d/a.cu -o a.o"} {
		if other := seed("/build/src", line, "/build/src"); other == one {
			t.Errorf("%s has the seed of nvcc -c a.cu -o a.o", line)
		}
	}
}

// launch runs this program as a launcher with a compiler that prints its
// arguments.
func launch(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"nvcc", "ccache"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+name+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Args = append([]string{"/build/bin/" + Name}, args...)
	cmd.Env = append(env, "PATH="+dir)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

func TestRun(t *testing.T) {
	t.Parallel()
	commands := filepath.Join(t.TempDir(), "commands")
	env := []string{EnvCommands + "=" + commands, EnvCache + "=ccache", EnvRequireArch + "=sm_121a"}
	out, err := launch(t, env, "nvcc", "-c", "-arch=sm_121a", "a.cu", "-o", "a.o")
	if err != nil || !strings.HasPrefix(out, "ccache nvcc -c -arch=sm_121a a.cu -o a.o -objtemp -frandom-seed=") {
		t.Errorf("launched %q, %v", out, err)
	}
	if out, err := launch(t, env, "nvcc", "--version"); err != nil || out != "nvcc --version\n" {
		t.Errorf("launched %q, %v", out, err)
	}
	out, err = launch(t, env, "nvcc", "-c", "-arch=sm_120a", "b.cu", "-o", "b.o")
	if err == nil || !strings.Contains(out, "b.cu is compiled for sm_120a, and this build must compile for sm_121a") {
		t.Errorf("launched %q, %v", out, err)
	}
	if out, err := launch(t, nil, "no-such-compiler"); err == nil || !strings.Contains(out, "no executable file no-such-compiler") {
		t.Errorf("launched %q, %v", out, err)
	}
	b, err := os.ReadFile(commands)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(string(b)) {
		var c Command
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		files = append(files, c.File+" "+strings.Join(c.Arch, " "))
	}
	if diff := cmp.Diff([]string{"a.cu sm_121a", "b.cu sm_120a"}, files); diff != "" {
		t.Errorf("commands kept (-want +got):\n%s", diff)
	}
}
