package builder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// cudaBackend is a PEP 517 backend that compiles src/*.cu as a build system
// would that knows launchers, MAX_JOBS at once.
const cudaBackend = `
import base64, concurrent.futures, glob, hashlib, os, subprocess, zipfile
HOME = os.environ["CUDA_HOME"]
LAUNCH = [x for x in [os.environ.get("FLASHINFER_NVCC_LAUNCHER")] if x]
NVCC = HOME + "/bin/nvcc"
if os.environ.get("HABIT") == "absolute":
    LAUNCH = []
elif os.environ.get("HABIT") == "cache":
    LAUNCH = ["ccache"]
elif os.environ.get("HABIT") == "name":
    LAUNCH, NVCC = [], "nvcc"
elif os.environ.get("HABIT") == "hidden":
    LAUNCH, NVCC = [], "nvcc-hidden"

def compile(cu):
    o = "obj/" + os.path.basename(cu)[:-3] + ".o"
    subprocess.check_call(LAUNCH + [NVCC, "--generate-dependencies-with-compile", "--dependency-output", o + ".d",
        "-gencode=arch=compute_" + os.environ["ARCH"] + ",code=sm_" + os.environ["ARCH"], "-lineinfo", "-Xcompiler", "-fPIC", "-c", os.path.abspath(cu), "-o", o])
    return o

def build_wheel(out, config_settings=None, metadata_directory=None):
    os.makedirs("obj", exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ["MAX_JOBS"])) as pool:
        objects = list(pool.map(compile, sorted(glob.glob("src/*.cu"))))
    subprocess.check_call(["g++", "-shared", "-o", "kernels.so"] + objects)
    name = "kernels-1.0-py3-none-any.whl"
    files = {"kernels/kernels.so": open("kernels.so", "rb").read(),
        "kernels-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: kernels\nVersion: 1.0\n",
        "kernels-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join("%s,sha256=%s,%d\n" % (n, base64.urlsafe_b64encode(hashlib.sha256(b).digest()).rstrip(b"=").decode(), len(b)) for n, b in files.items())
    files["kernels-1.0.dist-info/RECORD"] = (record + "kernels-1.0.dist-info/RECORD,,\n").encode()
    with zipfile.ZipFile(out + "/" + name, "w") as z:
        for n, b in files.items():
            z.writestr(n, b)
    return name
`

// cudaSource has ten units: with external kernels, with internal symbols only,
// with anonymous namespaces.
func cudaSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pyproject.toml"), "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n[project]\nname = \"kernels\"\nversion = \"1.0\"\n", 0o644)
	write(t, filepath.Join(dir, "backend.py"), cudaBackend, 0o644)
	for i := range 10 {
		kernel := fmt.Sprintf("__global__ void k%d(float *p) { p[threadIdx.x] *= %d.f; }\nextern \"C\" const char file%d[] = __FILE__;\n", i, i, i)
		switch i % 3 {
		case 1:
			kernel = "static " + kernel + fmt.Sprintf("static void use(float *p) { k%d<<<1, 32>>>(p); }\nstatic void (*volatile hold)(float *) = use;\n", i)
		case 2:
			kernel = "namespace {\n__device__ float table[4];\n" + kernel + fmt.Sprintf("}\nvoid use%d(float *p) { k%d<<<1, 32>>>(p); }\n", i, i)
		}
		write(t, filepath.Join(dir, fmt.Sprintf("src/unit%d.cu", i)), kernel, 0o644)
	}
	return dir
}

func cudaSpec(t *testing.T, s *shop) Spec {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := dirVenv + "/lib/python" + s.python + "/site-packages/nvidia/cu13"
	return Spec{Source: cudaSource(t), Distribution: "kernels", Python: "/usr/bin/python3", UV: s.uv(t), Epoch: epoch, Jobs: 8, Launcher: program,
		Env:    []string{"CUDA_HOME=" + home, "ARCH=121a"},
		Wheels: s.wheels(t, "nvidia-cuda-nvcc==13.2.86", "nvidia-cuda-crt==13.2.86", "nvidia-nvvm==13.2.86", "nvidia-cuda-runtime==13.2.86", "nvidia-cuda-cccl==13.2.86")}
}

func TestRealCUDAExtensionIsReproducible(t *testing.T) {
	needs(t, realRun)
	if _, err := exec.LookPath("/usr/bin/g++"); err != nil {
		t.Skip("needs g++ in /usr/bin")
	}
	s := openShop(t)
	spec := cudaSpec(t, s)
	first := buildTwice(t, spec)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(first), CommandsFile))
	if err != nil {
		t.Fatal(err)
	}
	var commands []launcher.Command
	if err := json.Unmarshal(text, &commands); err != nil || len(commands) != 10 {
		t.Errorf("%d compile commands were kept, %v", len(commands), err)
	}

	// Without the launcher two builds of these units are not the same: else the
	// test above would prove nothing.
	spec.Launcher = ""
	bare, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Verify(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, bare[0], t.TempDir(), io.Discard)
	if err != nil || d == nil || !strings.Contains(d.String(), "kernels/kernels.so: content in ") {
		t.Errorf("without a launcher: %v, %v", d, err)
	}
	t.Logf("without a launcher: %v", d)
}

// TestRealNoHabitGetsPastTheLauncher builds as projects do that name their
// compilers and launchers themselves.
func TestRealNoHabitGetsPastTheLauncher(t *testing.T) {
	needs(t, realRun)
	if _, err := exec.LookPath("/usr/bin/ccache"); err != nil {
		t.Skip("needs ccache in /usr/bin")
	}
	s := openShop(t)
	for _, habit := range []string{"absolute", "cache", "name"} {
		spec := cudaSpec(t, s)
		home := dirVenv + "/lib/python" + s.python + "/site-packages/nvidia/cu13"
		spec.Env = append(spec.Env, "HABIT="+habit, "PATH="+home+"/bin:/usr/bin:/bin")
		file := buildTwice(t, spec)
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), CommandsFile))
		if err != nil {
			t.Fatal(err)
		}
		var commands []launcher.Command
		if err := json.Unmarshal(text, &commands); err != nil {
			t.Fatal(err)
		}
		var cuda int
		for _, c := range commands {
			if c.CUDA && len(c.Arch) > 0 && !c.Trial {
				cuda++
			}
		}
		if cuda != 10 {
			t.Errorf("%s: %d CUDA compilations were recorded of 10:\n%s", habit, cuda, text)
		}
	}
}

// ninjaBackend builds a wheel of two libraries by a build.ninja, as CMake
// projects do: one for the GPU that ARCH names, one for another.
const ninjaBackend = `
import os, subprocess, zipfile
def build_wheel(out, config_settings=None, metadata_directory=None):
    open("build.ninja", "w").write("""
rule cuda
  command = nvcc -Xcompiler -fPIC -gencode=arch=compute_$arch,code=sm_$arch -c $in -o $out
rule link
  command = g++ -shared -o $out $in
build good.o: cuda src/unit0.cu
  arch = 121a
build other.o: cuda src/unit3.cu
  arch = 90a
build good.so: link good.o
build other.so: link other.o
""")
    subprocess.check_call(["ninja", "-j1", "-v"] + os.environ["TARGETS"].split())
    name = "kernels-1.0-py3-none-any.whl"
    with zipfile.ZipFile(out + "/" + name, "w") as z:
        for n in os.environ["TARGETS"].split():
            z.write(n, "kernels/" + n)
        z.writestr("kernels-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: kernels\nVersion: 1.0\n")
        z.writestr("kernels-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("kernels-1.0.dist-info/RECORD", "")
    return name
`

// TestRealGateActsAndRefuses: with the real ninja and nvcc, what is asked for and
// loads is compiled; what would not load ends the build before any compiler ran.
func TestRealGateActsAndRefuses(t *testing.T) {
	needs(t, realRun)
	s := openShop(t)
	for _, tc := range []struct {
		targets string
		except  []string
		refused string
		objects int
	}{
		{targets: "good.so", objects: 1},
		{targets: "good.so other.so", except: []string{"kernels/other.so"}, objects: 2},
		{targets: "good.so other.so", refused: "other.so gets code of verdict none for GPU 12.1, where family is required"},
	} {
		spec := cudaSpec(t, s)
		write(t, filepath.Join(spec.Source, "backend.py"), ninjaBackend, 0o644)
		home := dirVenv + "/lib/python" + s.python + "/site-packages/nvidia/cu13"
		spec.Env = append(spec.Env, "TARGETS="+tc.targets, "PATH="+home+"/bin:/usr/bin:/bin")
		maps.Copy(spec.Wheels, s.wheels(t, "ninja==1.13.0"))
		spec.Gate = &launcher.Gate{GPU: "12.1", Driver: "13.0", Require: "family", Except: tc.except}
		dir := t.TempDir()
		var log bytes.Buffer
		_, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, dir, &log)
		if tc.refused == "" {
			text, readErr := os.ReadFile(filepath.Join(dir, CommandsFile))
			var commands []launcher.Command
			if err != nil || readErr != nil || json.Unmarshal(text, &commands) != nil || len(commands) != tc.objects {
				t.Errorf("%s: %v, %v, recorded %s\n%s", tc.targets, err, readErr, text, tail(log.Bytes()))
			}
			if !strings.Contains(log.String(), "GPU code that will load on 12.1:") {
				t.Errorf("%s: the log lacks the forecast:\n%s", tc.targets, tail(log.Bytes()))
			}
			continue
		}
		failed, ok := errors.AsType[*FailedError](err)
		if !ok || !strings.Contains(log.String(), tc.refused) || len(failed.Findings) == 0 || failed.Findings[0].ID != "wrong-arch" {
			t.Errorf("%s: %v\n%s", tc.targets, err, tail(log.Bytes()))
		}
	}
}

// TestRealHiddenCompilerLeavesNoRecord is the limit of the launcher: an nvcc by an
// absolute path with a host compiler by an absolute path is past every link. The
// record is empty then, and by that the wheel's GPU code is refused (UnrecordedError
// of cmd/sparkwheel/internal/wheels).
func TestRealHiddenCompilerLeavesNoRecord(t *testing.T) {
	needs(t, realRun)
	s := openShop(t)
	spec := cudaSpec(t, s)
	home := dirVenv + "/lib/python" + s.python + "/site-packages/nvidia/cu13"
	write(t, filepath.Join(spec.Source, "backend.py"), strings.Replace(cudaBackend, `"nvcc-hidden"`, `HOME + "/bin/nvcc"`, 1)+
		"\n_call = subprocess.check_call\nsubprocess.check_call = lambda a: _call(a + ['-ccbin', '/usr/bin/g++'] if a[0].endswith('nvcc') else a)\n", 0o644)
	spec.Env = append(spec.Env, "HABIT=hidden", "PATH="+home+"/bin:/usr/bin:/bin")
	dir := t.TempDir()
	files, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, CommandsFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"cuda": true`) {
		t.Errorf("a compiler that nothing could see is in the record:\n%s", text)
	}
	r, err := wheel.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found, err := r.Inspect(t.Context(), inspect.Options{})
	if err != nil || len(found.Files) != 1 || len(found.Files[0].Containers) == 0 {
		t.Errorf("the wheel's GPU code: %+v, %v", found, err)
	}
}

// TestRealCacheKeepsCUDAObjects builds twice with one ccache: the second time
// nothing is compiled, and the wheel has the same bytes.
func TestRealCacheKeepsCUDAObjects(t *testing.T) {
	needs(t, realRun)
	if _, err := exec.LookPath("/usr/bin/ccache"); err != nil {
		t.Skip("needs ccache in /usr/bin")
	}
	s := openShop(t)
	spec := cudaSpec(t, s)
	plain, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	spec.CCache = t.TempDir()
	for _, want := range []string{"0", "10"} {
		var log bytes.Buffer
		files, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), &log)
		if err != nil {
			t.Fatalf("%v\n%s", err, tail(log.Bytes()))
		}
		if d, err := Compare(t.Context(), plain[0], files[0]); err != nil || d != nil {
			t.Errorf("with a cache the wheel differs: %v %v", d, err)
		}
		cmd := exec.CommandContext(t.Context(), "/usr/bin/ccache", "--print-stats")
		cmd.Env = []string{"CCACHE_DIR=" + spec.CCache}
		stats, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if hits := "\ndirect_cache_hit\t" + want + "\n"; !strings.Contains("\n"+string(stats), hits) {
			t.Errorf("the cache counts, where %s hits are expected:\n%s", want, stats)
		}
	}
}
