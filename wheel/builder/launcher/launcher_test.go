package launcher

import (
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
			want:     "/usr/local/cuda/bin/nvcc -objtemp -frandom-seed=SEED -Xcompiler=-ffile-prefix-map=/build/src=. -MD -MF a.o.d -DX -gencode=arch=compute_121a,code=sm_121a -c a.cu -o a.o",
			arch:     "sm_121a",
			compiles: true,
		},
		"cmake's": {
			args:     "nvcc -forward-unknown-to-host-compiler --generate-code=arch=compute_120f,code=[compute_120f,sm_120f] -gencode arch=compute_90a,code=sm_90a -x cu -c /build/src/k.cu -o CMakeFiles/k.cu.o",
			want:     "nvcc -objtemp -frandom-seed=SEED -Xcompiler=-ffile-prefix-map=/build/src=. -forward-unknown-to-host-compiler --generate-code=arch=compute_120f,code=[compute_120f,sm_120f] -gencode arch=compute_90a,code=sm_90a -x cu -c /build/src/k.cu -o CMakeFiles/k.cu.o",
			arch:     "compute_120f sm_120f sm_90a",
			compiles: true,
		},
		"all said already": {
			args:     "nvcc -arch=sm_121a -dc -objtemp -frandom-seed=1 a.cu -o a.o",
			want:     "nvcc -Xcompiler=-ffile-prefix-map=/build/src=. -arch=sm_121a -dc -objtemp -frandom-seed=1 a.cu -o a.o",
			arch:     "compute_121a sm_121a",
			compiles: true,
		},
		"g++": {args: "g++ -MD -MF a.d -include b.c -o a.o -c a.cpp", want: "g++ -frandom-seed=SEED -ffile-prefix-map=/build/src=. -MD -MF a.d -include b.c -o a.o -c a.cpp", compiles: true},
		"a source to a library in one step": {
			args:     "nvcc -shared -arch=sm_121a a.cu -o a.so",
			want:     "nvcc -frandom-seed=SEED -Xcompiler=-ffile-prefix-map=/build/src=. -shared -arch=sm_121a a.cu -o a.so",
			arch:     "compute_121a sm_121a",
			compiles: true,
		},
		"dependencies alone": {args: "g++ -MM a.cpp"},
		"what nvcc asks its preprocessor": {
			args: "gcc -D__CUDA_ARCH__=1210 -D__CUDA_ARCH_FEAT_SM121_ALL -E -x c++ -D__CUDACC__ a.cu -o /tmp/a.ii", arch: "compute_121a"},
		"what it asks of a family": {
			args: "gcc -D__CUDA_ARCH__=1200 -D__CUDA_ARCH_FAMILY_SPECIFIC__=1200 -E -x c++ -D__CUDACC__ a.cu -o /tmp/a.ii", arch: "compute_120f"},
		"a link":    {args: "nvcc -shared -arch sm_121a a.o -o a.so", arch: "compute_121a sm_121a"},
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

// place is a directory with a launcher, and one with the compilers it finds:
// scripts that print their names and arguments.
type place struct{ dir, tools, commands string }

func newPlace(t *testing.T, config Config, tools ...string) *place {
	t.Helper()
	root := t.TempDir()
	p := &place{dir: filepath.Join(root, "launch"), tools: filepath.Join(root, "tools"), commands: filepath.Join(root, "commands")}
	config.Commands = p.commands
	for _, dir := range []string{p.dir, p.tools} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, ConfigFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range tools {
		p.tool(t, filepath.Join(p.tools, name), "echo "+name+" \"$@\"\n")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program, filepath.Join(p.dir, Name)); err != nil {
		b, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, Name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *place) tool(t *testing.T, file, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run calls the launcher with an environment of PATH and more.
func (p *place) run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.dir, Name), args...)
	cmd.Env = append(env, "PATH="+p.tools+":/usr/bin:/bin")
	cmd.Dir = p.tools
	out, err := cmd.CombinedOutput()
	return strings.ReplaceAll(strings.ReplaceAll(string(out), p.dir, "DIR"), p.tools, "TOOLS"), err
}

// kept is the record, a line a command: what was compiled, for what.
func (p *place) kept(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(p.commands)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var files []string
	for line := range strings.Lines(string(b)) {
		var c Command
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		word := c.File + " " + strings.Join(c.Arch, ",")
		if c.CUDA {
			word += " cuda"
		}
		if c.Trial {
			word += " trial"
		}
		files = append(files, word)
	}
	return files
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := newPlace(t, Config{Cache: "ccache", CacheEnv: []string{"CCACHE_DIR=/c"}}, "nvcc", "g++")
	p.tool(t, filepath.Join(p.tools, "ccache"), "echo $CCACHE_DIR ccache \"$@\"\n")
	out, err := p.run(t, nil, "nvcc", "-c", "-arch=sm_121a", "a.cu", "-o", "a.o")
	if err != nil || !strings.HasPrefix(out, "/c ccache TOOLS/nvcc -objtemp -frandom-seed=") || !strings.HasSuffix(out, " -c -arch=sm_121a a.cu -o a.o\n") {
		t.Errorf("launched %q, %v", out, err)
	}
	if out, err := p.run(t, nil, "nvcc", "--version"); err != nil || out != "nvcc --version\n" {
		t.Errorf("launched %q, %v", out, err)
	}
	if out, err := p.run(t, nil, filepath.Join(p.tools, "g++"), "-c", "b.cpp", "-o", "b.o"); err != nil || !strings.HasPrefix(out, "/c ccache TOOLS/g++ -frandom-seed=") {
		t.Errorf("launched %q, %v", out, err)
	}
	if out, err := p.run(t, nil, "no-such-compiler"); err == nil || !strings.Contains(out, "no executable file no-such-compiler") {
		t.Errorf("launched %q, %v", out, err)
	}
	if diff := cmp.Diff([]string{"a.cu compute_121a,sm_121a cuda", "b.cpp "}, p.kept(t)); diff != "" {
		t.Errorf("commands kept (-want +got):\n%s", diff)
	}
}

// TestNoHabitGetsPastIt calls compilers as the build systems of this field do.
func TestNoHabitGetsPastIt(t *testing.T) {
	t.Parallel()
	const compile = " -gencode arch=compute_121a,code=sm_121a -c a.cu -o a.o"
	for name, tc := range map[string]struct {
		script string
		kept   []string
		says   string
	}{
		"by name":                       {"nvcc" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"by the path of which":          {"$(command -v nvcc)" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"through a cache named by hand": {"ccache nvcc" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"through sccache":               {"sccache nvcc" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"through a cache's path":        {"$(command -v ccache) $(command -v nvcc)" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"a cache asked for its version": {"ccache --version", nil, "ccache --version"},
		"with an empty environment":     {"n=$(command -v nvcc); env -i PATH=$PATH $n" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"launcher and link together":    {"LAUNCHER $(command -v nvcc)" + compile, []string{"a.cu sm_121a cuda"}, "nvcc -objtemp"},
		"a versioned host compiler":     {"x86_64-linux-gnu-gcc-13 -c a.c -o a.o", []string{"a.c "}, "x86_64-linux-gnu-gcc-13 -frandom-seed"},
		"a compiler inside a compiler":  {"outer -c a.cu -o a.o; wrap -c a.cu -arch=sm_90a -o a.o", []string{"a.cu compute_90a,sm_90a cuda"}, "g++ -E"},
		"an absolute path":              {"TOOLS/nvcc-absolute", []string{"a.cu compute_121a cuda"}, "gcc -D__CUDA_ARCH__=1210"},
		"a trial of CMake's":            {"mkdir -p CMakeFiles/CMakeScratch/Try && cd CMakeFiles/CMakeScratch/Try && nvcc" + compile, []string{"a.cu sm_121a cuda trial"}, "nvcc -objtemp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, Config{}, "nvcc", "gcc", "g++", "ccache", "sccache", "x86_64-linux-gnu-gcc-13", "outer")
			p.tool(t, filepath.Join(p.tools, "nvcc-absolute"), "exec gcc -D__CUDA_ARCH__=1210 -D__CUDA_ARCH_FEAT_SM121_ALL -E -x c++ a.cu -o a.ii\n")
			p.tool(t, filepath.Join(p.tools, "real/nvcc"), "g++ -E -D__CUDA_ARCH__=900 a.cu\ng++ -c a.cpp -o a.o\n")
			p.tool(t, filepath.Join(p.tools, "wrap"), "exec "+filepath.Join(p.dir, Name)+" "+filepath.Join(p.tools, "real/nvcc")+" \"$@\"\n")
			script := strings.NewReplacer("LAUNCHER", filepath.Join(p.dir, Name), "TOOLS", p.tools).Replace(tc.script)
			out, err := p.run(t, nil, "--", "sh", "-c", script)
			if err != nil || !strings.Contains(out, tc.says) {
				t.Errorf("launched %q, %v; want %q in it", out, err, tc.says)
			}
			if diff := cmp.Diff(tc.kept, p.kept(t)); diff != "" {
				t.Errorf("commands kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnterSetsTheEnvironment(t *testing.T) {
	t.Parallel()
	p := newPlace(t, Config{})
	p.tool(t, filepath.Join(p.tools, "gcc"), "echo gcc $NVCC_APPEND_FLAGS\n")
	p.tool(t, filepath.Join(p.tools, "cuda/bin/nvcc"), "echo nvcc ${NVCC_APPEND_FLAGS-none}\n")
	for _, tc := range []struct {
		script string
		env    []string
		want   string
	}{
		{script: "echo ${CUDA_HOME-none}", want: "none\n"},
		{script: "echo $CUDA_HOME", env: []string{"PATH=" + filepath.Join(p.tools, "cuda/bin") + ":" + p.tools + ":/usr/bin:/bin"}, want: "TOOLS/cuda\n"},
		{script: "echo $CUDA_HOME", env: []string{"PATH=" + filepath.Join(p.tools, "cuda/bin") + ":/usr/bin:/bin", "CUDA_HOME=/mine"}, want: "/mine\n"},
		{script: "TOOLS/cuda/bin/nvcc", env: []string{"NVCC_APPEND_FLAGS=" + AppendFlags}, want: "nvcc " + AppendFlags + "\n"},
		{script: "DIR/" + Name + " TOOLS/cuda/bin/nvcc", env: []string{"NVCC_APPEND_FLAGS=" + AppendFlags}, want: "nvcc none\n"},
		{script: "DIR/" + Name + " TOOLS/cuda/bin/nvcc", env: []string{"NVCC_APPEND_FLAGS=" + AppendFlags + " -lineinfo"}, want: "nvcc -lineinfo\n"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(p.dir, Name), "--", "sh", "-c", strings.NewReplacer("TOOLS", p.tools, "DIR", p.dir).Replace(tc.script))
		cmd.Env = tc.env
		if get(tc.env, "PATH") == "" {
			cmd.Env = append(cmd.Env, "PATH="+p.tools+":/usr/bin:/bin")
		}
		out, err := cmd.CombinedOutput()
		if got := strings.ReplaceAll(string(out), p.tools, "TOOLS"); err != nil || got != tc.want {
			t.Errorf("%s with %q says %q, %v; want %q", tc.script, tc.env, got, err, tc.want)
		}
	}
}

const ninjaFile = `rule cuda
  command = nvcc $arch -c $in -o $out
rule link
  command = g++ -shared $in -o $out
build a.o: cuda a.cu
  arch = -gencode=arch=compute_121a,code=sm_121a
build old.o: cuda old.cu
  arch = -gencode=arch=compute_80,code=compute_80
build good.so: link a.o
build old.so: link old.o
`

// TestTheFirstCompilationJudgesAllThatIsConfigured: what ends after an hour
// could have ended in a minute.
func TestTheFirstCompilationJudgesAllThatIsConfigured(t *testing.T) {
	t.Parallel()
	gate := func(g Gate) Config { return Config{Gate: &g} }
	const compile = "nvcc -gencode=arch=compute_121a,code=sm_121a -c a.cu -o a.o"
	for name, tc := range map[string]struct {
		config Config
		script string
		fails  bool
		says   []string
	}{
		"refused": {gate(Gate{GPU: "12.1", Require: "family"}), compile, true,
			[]string{"old.so   1        0       0       1", "below family", "old.so gets code of verdict ptx for GPU 12.1, where family is required: 1 of 1 objects, the first old.o for compute_80"}},
		"refused once, refused always": {gate(Gate{GPU: "12.1", Require: "family"}), compile + "; " + compile, true, []string{"sparkwheel-launch: old.so gets code"}},
		"PTX that the driver refuses":  {gate(Gate{GPU: "12.1", Driver: "13.0", Require: "ptx"}), compile, true, []string{"verdict ptx-too-new"}},
		"PTX that the driver takes":    {gate(Gate{GPU: "12.1", Driver: "13.2", Require: "ptx"}), compile, false, []string{"old.so   1        0       0       1", "nvcc -objtemp"}},
		"excepted":                     {gate(Gate{GPU: "12.1", Require: "native", Except: []string{"pkg/old.so"}}), compile, false, []string{"below native, excepted", "nvcc -objtemp"}},
		"listed alone":                 {gate(Gate{GPU: "9.0"}), compile, false, []string{"good.so  1        0       0       0    0            1"}},
		"told once":                    {gate(Gate{GPU: "12.1"}), compile + " >/dev/null 2>&1; " + compile, false, []string{"nvcc -objtemp"}},
		"one step":                     {gate(Gate{GPU: "12.1", Require: "family"}), "cd /; nvcc -arch=sm_90a -shared k.cu -o k.so", true, []string{"k.so gets code of verdict none"}},
		"no build file":                {gate(Gate{GPU: "12.1", Require: "native"}), "cd /; nvcc -c k.cu -o k.o", false, []string{"nvcc -objtemp"}},
		"targets that pass":            {gate(Gate{GPU: "12.1", Require: "family"}), "./ninja -j 4 -v good.so", false, []string{"good.so  1        1", "nvcc -objtemp"}},
		"a target that does not":       {gate(Gate{GPU: "12.1", Require: "family"}), "./ninja -C . -f build.ninja old.so", true, []string{"old.so gets code"}},
		"a trial":                      {gate(Gate{GPU: "12.1", Require: "native"}), "mkdir -p CMakeFiles/T; cp build.ninja CMakeFiles/T; cd CMakeFiles/T; " + compile, false, []string{"nvcc -objtemp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, tc.config)
			p.tool(t, filepath.Join(p.tools, "bin/nvcc"), "echo nvcc \"$@\"\n")
			for file, text := range map[string]string{"build.ninja": ninjaFile, "include/cuda_runtime_api.h": "#define CUDART_VERSION  13020\n"} {
				file = filepath.Join(p.tools, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			// A shell under ninja's name: its command line is all that is read of it.
			if err := os.Symlink("/bin/bash", filepath.Join(p.tools, "ninja-bash")); err != nil {
				t.Fatal(err)
			}
			p.tool(t, filepath.Join(p.tools, "ninja"), "exec ./ninja-bash -c '"+compile+"; exit $?' \"$@\"\n")
			cmd := exec.CommandContext(t.Context(), filepath.Join(p.dir, Name), "--", "sh", "-c", tc.script)
			cmd.Env, cmd.Dir = []string{"PATH=" + filepath.Join(p.tools, "bin") + ":/usr/bin:/bin"}, p.tools
			out, err := cmd.CombinedOutput()
			if (err != nil) != tc.fails {
				t.Errorf("%v\n%s", err, out)
			}
			for _, want := range tc.says {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
			if name == "told once" && strings.Contains(string(out), "GPU code that will load") {
				t.Errorf("the table is told twice:\n%s", out)
			}
			if tc.fails && strings.Contains(string(out), "nvcc -objtemp") {
				t.Errorf("a compiler ran all the same:\n%s", out)
			}
		})
	}
}
