package forecast

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

var toolkit = cuda.Version{Major: 13, Minor: 2}

func TestEntries(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-gencode=arch=compute_121a,code=sm_121a":                                      "sm_121a",
		"-gencode arch=compute_80,code=[compute_80,sm_80] -x cu":                       "compute_80 sm_80",
		`--generate-code=arch=compute_120f,code=[compute_120f,sm_120f]`:                "compute_120f sm_120f",
		`"--generate-code=arch=compute_90a,code=[sm_90a]"`:                             "sm_75 compute_75", // still quoted: not an option
		"-gencode arch=compute_120f,code=sm_121":                                       "sm_121f",
		"-gencode arch=compute_121,code=sm_121 -gencode arch=compute_100f,code=sm_100": "sm_121 sm_100f",
		"-arch=sm_121a":                         "sm_121a compute_121a",
		"-arch compute_90 -code sm_90,lto_90":   "sm_90 lto_90",
		"--gpu-architecture=compute_90":         "compute_90",
		"-O3 -c k.cu":                           "sm_75 compute_75",
		"-arch=native":                          "",
		"-arch=all-major":                       "",
		"-gencode=arch=compute_121a,code=bogus": "",
	} {
		if got := strings.Join(names(Entries(strings.Fields(args), toolkit)), " "); got != want {
			t.Errorf("%s makes %q, want %q", args, got, want)
		}
	}
	if got := Entries(nil, cuda.Version{Major: 12, Minor: 9}); names(got)[0] != "sm_52" {
		t.Errorf("nvcc 12's default is %q", names(got))
	}
	if got := Entries([]string{"-arch=compute_80"}, toolkit); got[0].PTX != (cuda.Version{Major: 9, Minor: 2}) {
		t.Errorf("nvcc 13.2 writes PTX %s", got[0].PTX)
	}
	if got := Architectures([]string{"-c", "a.cu"}); got != nil {
		t.Errorf("Architectures of none = %q", got)
	}
}

// files are those of builds as CMake, torch and FlashInfer configure them.
var files = map[string]string{
	"build.ninja": `# CMake's habits
ninja_required_version = 1.5
include CMakeFiles/rules.ninja
cmake_ninja_workdir = /build/src/build/
build CMakeFiles/_C.dir/csrc/a$ b.cu.o: CUDA_COMPILER___C_Release /build/src/csrc/a$ b.cu || cmake_object_order_depends
  DEFINES = -DX -DY=\"z\"
  FLAGS = -O3 "--generate-code=arch=compute_120f,code=[sm_120f]" $
      "--generate-code=arch=compute_121a,code=[sm_121a]"
  DEP_FILE = a.d
build CMakeFiles/_C.dir/csrc/marlin.cu.o: CUDA_COMPILER___C_Release /build/src/csrc/marlin.cu | generated.h
  FLAGS = "--generate-code=arch=compute_80,code=[compute_80]"
build CMakeFiles/_C.dir/csrc/bind.cpp.o: CXX_COMPILER___C_Release /build/src/csrc/bind.cpp
build _C.abi3.so: LINK CMakeFiles/_C.dir/csrc/a$ b.cu.o CMakeFiles/_C.dir/csrc/marlin.cu.o CMakeFiles/_C.dir/csrc/bind.cpp.o | libcudart.so libstatic.a || order
build CMakeFiles/static.dir/s.cu.o: CUDA_COMPILER___C_Release s.cu
  FLAGS = -arch=sm_90a
build libstatic.a: ARCHIVE CMakeFiles/static.dir/s.cu.o
build fa3.so: LINK CMakeFiles/fa3.dir/f.cu.o
build CMakeFiles/fa3.dir/f.cu.o: CUDA_COMPILER___C_Release f.cu
  FLAGS = -O3
build fa3: phony fa3.so
build after: phony || fa3
build other.so: LINK CMakeFiles/fa3.dir/f.cu.o
build all: phony _C.abi3.so fa3.so
default all
`,
	"CMakeFiles/rules.ninja": `
pool p
  depth = 2
rule CUDA_COMPILER___C_Release
  depfile = $DEP_FILE
  command = ${LAUNCHER}ccache /usr/local/cuda/bin/nvcc -forward-unknown-to-host-compiler $DEFINES $FLAGS -MD -MT $out -MF $DEP_FILE -x cu -c $in -o $out
rule CXX_COMPILER___C_Release
  command = /usr/bin/c++ -c $in -o $out
rule LINK
  command = : && /usr/bin/c++ -shared -o $out $in && :
rule ARCHIVE
  command = ar qc $out $in
`,
	"aot.ninja": "nvcc = /usr/local/cuda/bin/nvcc\ncuda_flags = -gencode=arch=compute_121a,code=sm_121a\nsubninja one/build.ninja\nsubninja two/build.ninja\n",
	"one/build.ninja": "name = page\ncflags = $cuda_flags -DPAGE\nrule compile\n  command = $nvcc --generate-dependencies-with-compile $cflags $post -c $in -o $out\n" +
		"rule link\n  command = c++ $in -shared -o $out\nbuild $name/a.o: compile a.cu\nbuild $name/$name.so: link $name/a.o\n",
	"two/build.ninja": "cuda_flags = -gencode=arch=compute_90a,code=sm_90a\nrule compile\n  command = launcher $nvcc $cuda_flags -c $in -o $out\n" +
		"rule link\n  command = c++ $in -shared -o $out\nbuild two/a.o: compile a.cu\n  cuda_flags = -gencode=arch=compute_100a,code=sm_100a\nbuild two/two.so.1: link two/a.o\n",
	"loop.ninja": "include loop.ninja\n",
	"bad.ninja":  "rule x\n  command = y\nnonsense\n",
}

func read(name string) ([]byte, error) {
	text, ok := files[name]
	if !ok {
		return nil, fmt.Errorf("opening %s: %w", name, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func TestNinja(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"build.ninja": {
			"_C.abi3.so: CMakeFiles/_C.dir/csrc/a b.cu.o sm_120f sm_121a", "_C.abi3.so: CMakeFiles/_C.dir/csrc/marlin.cu.o compute_80",
			"_C.abi3.so: CMakeFiles/static.dir/s.cu.o sm_90a compute_90a", "fa3.so: CMakeFiles/fa3.dir/f.cu.o sm_75 compute_75",
		},
		"build.ninja fa3":      {"fa3.so: CMakeFiles/fa3.dir/f.cu.o sm_75 compute_75"},
		"build.ninja after":    {"fa3.so: CMakeFiles/fa3.dir/f.cu.o sm_75 compute_75"},
		"build.ninja ./fa3.so": {"fa3.so: CMakeFiles/fa3.dir/f.cu.o sm_75 compute_75"},
		"build.ninja none":     nil,
		"aot.ninja":            {"page/page.so: page/a.o sm_121a", "two/two.so.1: two/a.o sm_100a"},
	} {
		name, targets, _ := strings.Cut(name, " ")
		libraries, err := Build{name, strings.Fields(targets), toolkit}.Libraries(read)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range libraries {
			for _, o := range l.Objects {
				got = append(got, l.File+": "+o.File+" "+strings.Join(names(o.Entries), " "))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string]string{
		"loop.ninja": "more than 16 nested files", "bad.ninja": "line 3: \"nonsense\" is not a statement", "none.ninja": "opening none.ninja",
	} {
		if _, err := (Build{File: name}).Libraries(read); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Libraries of %s = %v, want %q", name, err, want)
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	libraries, err := Build{File: "build.ninja", Toolkit: toolkit}.Libraries(read)
	if err != nil {
		t.Fatal(err)
	}
	g := Gate{Target: cuda.Target{GPU: cuda.GPU{Major: 12, Minor: 1}, Driver: cuda.Version{Major: 13}}, Require: cuda.Family}
	refused, ok := errors.AsType[*RefusedError](g.Check(libraries))
	if !ok || len(refused.Libraries) != 2 {
		t.Fatalf("Check = %v", refused)
	}
	const want = "_C.abi3.so gets code of verdict none for GPU 12.1, where family is required: 2 of 3 objects, the first CMakeFiles/_C.dir/csrc/marlin.cu.o for compute_80; "
	if !strings.HasPrefix(refused.Error(), want) {
		t.Errorf("refused: %v", refused)
	}
	g.Except = []string{"vllm/_C*.so", "vllm/fa?.so"}
	if err := g.Check(libraries); err != nil {
		t.Errorf("with exceptions: %v", err)
	}
	var table bytes.Buffer
	if err := g.Write(&table, libraries); err != nil {
		t.Fatal(err)
	}
	const wantTable = `GPU code that will load on 12.1:
library     objects  native  family  ptx  ptx-too-new  none  unknown  
_C.abi3.so  3        1       0       0    1            1     0        below family, excepted
fa3.so      1        0       0       0    1            0     0        below family, excepted
`
	if diff := cmp.Diff(wantTable, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func FuzzNinja(f *testing.F) {
	for _, text := range files {
		f.Add(text)
	}
	for _, attack := range []string{
		"a = $a$a\nb = $a$a$a\n", "rule r\n  command = $command $command\nbuild x.so: r y\n", "build x: phony x\nbuild x.so: phony x\n",
		"build $", "x = ${", "build a$:b: r c$ d |@ e || f\n", "rule r\n  command = ${in}${out}\n  in = $out\n  out = $in\nbuild a.so: r b\n", "$\n$\n$",
	} {
		f.Add(attack)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := false
		libraries, err := Build{File: "build.ninja"}.Libraries(func(string) ([]byte, error) {
			if once {
				return nil, fs.ErrNotExist
			}
			once = true
			return []byte(text), nil
		})
		if err != nil && libraries != nil {
			t.Errorf("both %v and %v", libraries, err)
		}
		_ = Gate{Require: cuda.Native}.Check(libraries)
	})
}
