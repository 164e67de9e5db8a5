package builder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// buildTwice builds spec as it is, and again with Verify's variations under
// another host name; it returns the wheel.
func buildTwice(t *testing.T, spec Spec) string {
	t.Helper()
	var log bytes.Buffer
	files, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), &log)
	if n, ok := errors.AsType[*sandbox.NamespaceError](err); ok {
		t.Skip(n)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(log.Bytes()))
	}
	log.Reset()
	d, err := Verify(t.Context(), &sandbox.Sandbox{Root: "/", Hostname: "another"}, spec, files[0], t.TempDir(), &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(log.Bytes()))
	}
	if d != nil {
		t.Errorf("with -j %d, the second build differs:\n%s", spec.Jobs, d)
	}
	return files[0]
}

func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// repeat builds spec in rounds, in each with every number of jobs, and each of
// these builds once more with Verify's variations: all must have the same bytes.
// A round is a test of its own, so that it can be run by itself.
func repeat(t *testing.T, spec Spec, rounds int, jobs ...int) {
	t.Helper()
	var first string
	keep := t.TempDir()
	for i := range rounds {
		t.Run(fmt.Sprintf("round%d", i+1), func(t *testing.T) {
			for _, spec.Jobs = range jobs {
				file := buildTwice(t, spec)
				if first == "" {
					first = filepath.Join(keep, filepath.Base(file))
					if err := os.Rename(file, first); err != nil {
						t.Fatal(err)
					}
					file = first
				}
				if d, err := Compare(t.Context(), first, file); err != nil || d != nil {
					t.Errorf("-j %d differs from the first build: %v %v", spec.Jobs, d, err)
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("-j %d, twice: sha256 %x", spec.Jobs, sha256.Sum256(text))
			}
		})
	}
}

const extension = `
#include <assert.h>
#include <stdio.h>
static int hidden%[1]d(int x) { assert(x != %[1]d); return x + __LINE__; }
int shown%[1]d(int x) { printf("%%s\n", __FILE__); return hidden%[1]d(x); }
`

// extensionSource is a project with a C extension of eight files.
func extensionSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pyproject.toml"), "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"ext\"\nversion = \"1.0\"\n", 0o664)
	write(t, filepath.Join(dir, "setup.py"), `import glob, os
from setuptools import Extension, setup
setup(packages=["ext"], ext_modules=[Extension("ext.fast", glob.glob("src/*.c"), extra_compile_args=["-g"])],
      options={"build_ext": {"parallel": int(os.environ["MAX_JOBS"])}})
`, 0o644)
	write(t, filepath.Join(dir, "ext/__init__.py"), "", 0o600)
	for i := range 8 {
		write(t, filepath.Join(dir, fmt.Sprintf("src/unit%d.c", i)), fmt.Sprintf(extension, i), 0o644)
	}
	return dir
}

func TestE2ECExtensionIsReproducible(t *testing.T) {
	needs(t, e2e)
	repeat(t, extensionSpec(t, openShop(t)), 1, 1, 2, 8)
}

func TestRealCExtensionIsReproducible(t *testing.T) {
	needs(t, realRun)
	repeat(t, extensionSpec(t, openShop(t)), 10, 1, 2, 8)
}

func extensionSpec(t *testing.T, s *shop) Spec {
	t.Helper()
	if _, err := exec.LookPath("/usr/bin/gcc"); err != nil {
		t.Skip("needs gcc in /usr/bin")
	}
	return Spec{Source: extensionSource(t), Distribution: "ext", Python: "/usr/bin/python3", UV: s.uv(t), Wheels: s.wheels(t, "setuptools==80.10.2"), Epoch: epoch}
}

// TestE2EFrontendsAgree builds with pip, which gives the same bytes, and
// without a sandbox, where debug information tells of the host's paths.
func TestE2EFrontendsAgree(t *testing.T) {
	needs(t, e2e)
	s := openShop(t)
	spec := extensionSpec(t, s)
	first := buildTwice(t, spec)
	for name, tc := range map[string]struct {
		frontend string
		mode     sandbox.Mode
	}{"pip": {"pip", sandbox.Namespaces}, "no sandbox": {"uv", sandbox.None}} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Lstat("/build"); tc.mode == sandbox.None && (err == nil || os.Geteuid() != 0) {
				t.Skip("needs to make /build")
			}
			spec := spec
			spec.Frontend = tc.frontend
			spec.Wheels = s.wheels(t, "setuptools==80.10.2", "pip==25.3")
			var log bytes.Buffer
			files, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/", Mode: tc.mode}, spec, t.TempDir(), &log)
			if err != nil {
				t.Fatalf("%v\n%s", err, tail(log.Bytes()))
			}
			d, err := Compare(t.Context(), first, files[0])
			if err != nil {
				t.Fatal(err)
			}
			if d != nil && (tc.mode != sandbox.None || !strings.Contains(d.String(), ".so: content in .note.gnu.build-id, .debug_")) {
				t.Errorf("the wheel differs: %v", d)
			}
		})
	}
}

// torchShim is what vLLM's setup.py asks of torch for the target empty.
var torchShim = Shim{Name: "torch", Version: "2.11.0", Files: map[string]string{
	"torch/__init__.py":            "from . import version\n__version__ = '2.11.0'\n",
	"torch/version.py":             "cuda = None\nhip = None\nxpu = None\n",
	"torch/utils/__init__.py":      "",
	"torch/utils/cpp_extension.py": "CUDA_HOME = None\nROCM_HOME = None\n",
}}

func vllmSpec(t *testing.T, s *shop, source string) Spec {
	t.Helper()
	return Spec{Source: source, Distribution: "vllm", Python: "/usr/bin/python3", UV: s.uv(t), Epoch: epoch, Shims: []Shim{torchShim},
		Env: []string{"VLLM_TARGET_DEVICE=empty", "VLLM_VERSION_OVERRIDE=0.22.1"},
		Wheels: s.wheels(t, "cmake==4.4.4", "jinja2==3.1.6", "markupsafe==3.0.4", "ninja==1.13.2", "packaging==26.3", "semantic-version==2.10.0",
			"setuptools==80.10.2", "setuptools-rust==1.13.0", "setuptools-scm==10.3.4", "vcs-versioning==2.6.0", "wheel==0.48.0")}
}

func flashinferSpec(t *testing.T, s *shop) Spec {
	t.Helper()
	return Spec{Source: s.sdist(t, "flashinfer-python", "0.6.12"), Distribution: "flashinfer-python", Python: "/usr/bin/python3", UV: s.uv(t), Epoch: epoch,
		Wheels: s.wheels(t, "setuptools==80.10.2", "packaging==26.3", "apache-tvm-ffi==0.1.15.post2", "typing-extensions==4.16.0")}
}

func TestE2EVLLMIsReproducible(t *testing.T) {
	needs(t, e2e)
	s := openShop(t)
	repeat(t, vllmSpec(t, s, s.sdist(t, "vllm", "0.22.1")), 1, 1)
}

func TestRealVLLMIsReproducible(t *testing.T) {
	needs(t, realRun)
	s := openShop(t)
	repeat(t, vllmSpec(t, s, s.sdist(t, "vllm", "0.22.1")), 10, 1, 2, 8)
}

func TestRealFlashInferIsReproducible(t *testing.T) {
	needs(t, realRun)
	repeat(t, flashinferSpec(t, openShop(t)), 10, 1, 2, 8)
}

// TestRealTorchGivesTheShimsWheel builds vLLM's wheel with the real torch, of
// which its build sees no more than the shim shows.
func TestRealTorchGivesTheShimsWheel(t *testing.T) {
	needs(t, realRun)
	s := openShop(t)
	source := s.sdist(t, "vllm", "0.22.1")
	spec := vllmSpec(t, s, source)
	shimmed, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	spec.Shims, spec.Wheels = nil, withTorch(t, s, spec)
	var log bytes.Buffer
	whole, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(log.Bytes()))
	}
	if d, err := Compare(t.Context(), shimmed[0], whole[0]); err != nil || d != nil {
		t.Errorf("the wheels of shim and real torch differ: %v %v", d, err)
	}
}

// withTorch adds the real torch and all it requires to spec's wheels, as uv
// resolves them.
func withTorch(t *testing.T, s *shop, spec Spec) map[string]string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "in.txt"), "torch==2.11.0\n", 0o644)
	cmd := exec.CommandContext(t.Context(), spec.UV, "pip", "compile", "-q", "--no-header", "--no-annotate", "-p", spec.Python, "--only-binary", ":all:", "--index-url", s.client.Index, "in.txt")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	wheels := spec.Wheels
	for line := range strings.Lines(string(out)) {
		pin := strings.TrimSpace(line)
		if name, _, _ := strings.Cut(pin, "=="); name == "setuptools" || name == "jinja2" || name == "markupsafe" || pin == "" {
			continue
		}
		maps.Copy(wheels, s.wheels(t, pin))
	}
	return wheels
}
