package wheel_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
)

func TestParseFilename(t *testing.T) {
	t.Parallel()
	type want struct{ Distribution, Version, Build, Tags string }
	for name, w := range map[string]want{
		// Cases of pypa/packaging and uv.
		"foo-1.0-py3-none-any.whl":                              {"foo", "1.0", "", "py3-none-any"},
		"foo-1.0-1000-py3-none-any.whl":                         {"foo", "1.0", "1000", "py3-none-any"},
		"foo-1.0-202206090410-py3-none-any.whl":                 {"foo", "1.0", "202206090410", "py3-none-any"},
		"foo-1.2.3-202206090410-py3-none-any.whl":               {"foo", "1.2.3", "202206090410", "py3-none-any"},
		"some_PACKAGE-1.0-py3-none-any.whl":                     {"some-package", "1.0", "", "py3-none-any"},
		"foo-1.0-1000abc-py3-none-any.whl":                      {"foo", "1.0", "1000abc", "py3-none-any"},
		"foo_bár-1.0-py3-none-any.whl":                          {},
		"foo-1.0-abc-py3-none-any.whl":                          {},
		"foo-1.0-1-abc-py3-none-any.whl":                        {},
		"foo-1.0.whl":                                           {},
		"foo-1.0-py3-any.whl":                                   {},
		"foo-1.0-py3-none-any.wheel":                            {},
		"foo-1.0-200-py3-none-any-junk.whl":                     {},
		"foo__bar-1.0-py3-none-any.whl":                         {},
		"foo#bar-1.0-py3-none-any.whl":                          {},
		"foobar-1.x-py3-none-any.whl":                           {},
		"foo-1.x.whl":                                           {},
		"-1.0-py3-none-any.whl":                                 {},
		"foo--py3-none-any.whl":                                 {},
		"_foo-1.0-py3-none-any.whl":                             {},
		"foo-1.0-py3--any.whl":                                  {},
		"foo-1.0-py3-none-any..whl":                             {},
		"../foo-1.0-py3-none-any.whl":                           {},
		"foo-1.0-py3-none-a/b.whl":                              {},
		"foo-1.0-py3-none-any.whl\n":                            {},
		"":                                                      {},
		".whl":                                                  {},
		strings.Repeat("a", 250) + "-1.0-py3-none-any.whl":      {},
		"foo-1.0-py2.py3-none-any.whl":                          {"foo", "1.0", "", "py2-none-any py3-none-any"},
		"foo.bar-1.0-py3-none-any.whl":                          {"foo-bar", "1.0", "", "py3-none-any"},
		"foo-1!2.0-py3-none-any.whl":                            {"foo", "1!2.0", "", "py3-none-any"},
		"foo-1.0.dev1+g12ab.d2026_1-py3-none-any.whl":           {"foo", "1.0.dev1+g12ab.d2026.1", "", "py3-none-any"},
		"vllm-0.22.1+cu130-cp38-abi3-linux_aarch64.whl":         {"vllm", "0.22.1+cu130", "", "cp38-abi3-linux_aarch64"},
		"vllm-0.23.0-2-cp38-abi3-manylinux_2_28_aarch64.whl":    {"vllm", "0.23.0", "2", "cp38-abi3-manylinux_2_28_aarch64"},
		"torch-2.10.0-3-cp312-cp312-manylinux_2_28_aarch64.whl": {"torch", "2.10.0", "3", "cp312-cp312-manylinux_2_28_aarch64"},
		"flashinfer_python-0.6.12-py3-none-any.whl":             {"flashinfer-python", "0.6.12", "", "py3-none-any"},
		"x-1.0-cp310.cp311-abi3.none-manylinux1_i686.linux_i686.whl": {"x", "1.0", "", "cp310-abi3-manylinux1_i686 cp310-abi3-linux_i686 cp310-none-manylinux1_i686 cp310-none-linux_i686 " +
			"cp311-abi3-manylinux1_i686 cp311-abi3-linux_i686 cp311-none-manylinux1_i686 cp311-none-linux_i686"},
	} {
		f, err := wheel.ParseFilename(name)
		if w == (want{}) {
			if _, ok := errors.AsType[*wheel.FilenameError](err); !ok {
				t.Errorf("%q: got %+v, %v, want a *FilenameError", name, f, err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		var tags []string
		for _, tag := range f.Tags {
			tags = append(tags, tag.String())
		}
		got := want{string(f.Distribution), f.Version.String(), f.Build, strings.Join(tags, " ")}
		if diff := cmp.Diff(w, got); diff != "" || f.String() != name {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestVariantWheels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"torch-2.9.0-cp312-cp312-manylinux_2_28_aarch64-cu130.whl":    "cu130",
		"torch-2.9.0-1-cp312-cp312-manylinux_2_28_aarch64-cu130.whl":  "cu130",
		"x-1.0-py3-none-any-00000000.whl":                             "00000000",
		"x-1.0-cp310.cp311-abi3-linux_x86_64.linux_i686-null.whl":     "null",
		"torch-2.9.0-1-cp312-cp312-manylinux_2_28_aarch64.whl":        "",
		"foo-1.0-abc-py3-none-any.whl":                                "",
		"foo-1.0-py3-none-any-.whl":                                   "",
		"foo-1.0-1-py3-none-any-a-b.whl":                              "",
		"torch-2.9.0-1a-cp312-cp312-manylinux_2_28_aarch64-cu130.whl": "cu130",
	} {
		_, err := wheel.ParseFilename(name)
		e, ok := errors.AsType[*wheel.FilenameError](err)
		if got := ok && e.Variant == want && strings.Contains(err.Error(), "variant wheel (PEP 825)"); got != (want != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	spark := wheel.Supported("3.12", wheel.Platforms(39, "aarch64"))
	for name, want := range map[string]string{
		"x-1.0-py3-none-any.whl":                            "",
		"x-1.0-cp312-cp312-linux_aarch64.whl":               "",
		"x-1.0-cp38-abi3-manylinux_2_28_aarch64.whl":        "",
		"x-1.0-cp312-none-manylinux2014_aarch64.whl":        "",
		"x-1.0-py2.py3-none-any.whl":                        "",
		"x-1.0-cp312-cp312-linux_x86_64.whl":                "x-1.0-cp312-cp312-linux_x86_64.whl does not fit the target: it is for platform linux_x86_64, but the target supports manylinux_2_39_aarch64, manylinux_2_38_aarch64, manylinux_2_37_aarch64, manylinux_2_36_aarch64, …",
		"x-1.0-cp312-cp312-manylinux_2_40_aarch64.whl":      "it is for platform manylinux_2_40_aarch64",
		"x-1.0-cp311-cp311-manylinux_2_28_aarch64.whl":      "it is for ABI cp311, but the target supports cp312, abi3, none",
		"x-1.0-cp313-abi3-manylinux_2_28_aarch64.whl":       "it is for interpreter cp313, but the target supports cp312, cp311, cp310, cp39, …",
		"x-1.0-py2-none-any.whl":                            "it is for interpreter py2",
		"x-1.0-cp311-none-manylinux_2_28_aarch64.whl":       "each of its parts fits, but none of its tags does",
		"x-1.0-cp312-cp312-win_amd64.macosx_11_0_arm64.whl": "it is for platform win_amd64, macosx_11_0_arm64",
	} {
		f, err := wheel.ParseFilename(name)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Fits(spark)
		if _, ok := errors.AsType[*wheel.TagError](err); want == "" && err != nil || want != "" && (!ok || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestSupported(t *testing.T) {
	t.Parallel()
	rank := func(tag string, python string, platforms []string) int {
		tags, err := wheel.ParseTags(tag)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Index(wheel.Supported(python, platforms), tags[0])
	}
	platforms := wheel.Platforms(39, "aarch64")
	best := []string{
		"cp312-cp312-manylinux_2_39_aarch64", "cp312-cp312-manylinux_2_28_aarch64", "cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-manylinux2014_aarch64",
		"cp312-cp312-linux_aarch64", "cp312-abi3-manylinux_2_39_aarch64", "cp312-none-linux_aarch64", "cp311-abi3-linux_aarch64", "cp38-abi3-linux_aarch64", "cp32-abi3-linux_aarch64",
		"py312-none-linux_aarch64", "py3-none-linux_aarch64", "py30-none-linux_aarch64", "cp312-none-any", "py312-none-any", "py3-none-any", "py311-none-any", "py30-none-any",
	}
	last := -1
	for _, tag := range best {
		r := rank(tag, "3.12", platforms)
		if r <= last {
			t.Errorf("%s has rank %d, want more than %d", tag, r, last)
		}
		last = r
	}
	for _, tag := range []string{"cp312-cp312-manylinux_2_40_aarch64", "cp312-cp312-manylinux_2_16_aarch64", "cp313-abi3-linux_aarch64", "cp312-cp312-linux_x86_64", "cp311-cp311-linux_aarch64", "py2-none-any"} {
		if r := rank(tag, "3.12", platforms); r >= 0 {
			t.Errorf("%s is supported, with rank %d", tag, r)
		}
	}
	if rank("cp313-cp313t-linux_x86_64", "3.13t", wheel.Platforms(39, "x86_64")) != 35+3 || rank("cp313-abi3-linux_x86_64", "3.13t", wheel.Platforms(39, "x86_64")) >= 0 {
		t.Error("a free-threaded Python takes its own ABI and no abi3")
	}
	for _, python := range []string{"", "3", "2.7", "3.x", "3.12.1", "cp312"} {
		if tags := wheel.Supported(python, platforms); tags != nil {
			t.Errorf("Python %q supports %d tags", python, len(tags))
		}
	}
}

// TestE2ESupported holds the list against that of pypa/packaging.
func TestE2ESupported(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("set SPARKWHEEL_E2E=1: this test needs the Python index")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", dir, "packaging==26.3").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, python := range []string{"3.9", "3.11", "3.12", "3.13", "3.14"} {
		for _, machine := range []string{"x86_64", "aarch64"} {
			platforms := wheel.Platforms(39, machine)
			_, minor, _ := strings.Cut(python, ".")
			const program = `import sys
from packaging.tags import compatible_tags, cpython_tags
minor, platforms = int(sys.argv[1]), sys.argv[2:]
for tag in [*cpython_tags((3, minor), [f"cp3{minor}"], platforms), *compatible_tags((3, minor), f"cp3{minor}", platforms)]:
    print(tag)
`
			cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"-c", program, minor}, platforms...)...)
			cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tag := range wheel.Supported(python, platforms) {
				got = append(got, tag.String())
			}
			if diff := cmp.Diff(strings.Fields(string(out)), got); diff != "" {
				t.Errorf("%s on %s (-packaging +got):\n%s", python, machine, diff)
			}
		}
	}
}
