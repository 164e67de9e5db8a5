package remedy

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
)

// failed gives each cause that a build's log shows its remedy.
func failed(e *builder.FailedError) (all []advice) {
	for _, f := range e.Findings {
		if text := Finding(f); text != "" {
			all = append(all, advice{f.String(), "\n  remedy: " + text})
		}
	}
	return all
}

// Finding is what to do about a cause that a build's log shows.
func Finding(f explain.Finding) string {
	text := strings.ReplaceAll(findings[f.ID], "NAME", f.Subject)
	if f.Package != "" {
		text += fmt.Sprintf(" (%s)", f.Package)
	}
	return text
}

func indented(s string) string {
	return "\n     " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n     ")
}

// findings are remedies by explain.Finding.ID; NAME stands for its Subject.
var findings = map[string]string{
	"out-of-memory":          "build with fewer jobs (-j N), raise memory-per-job in the recipe, or stop what uses the GPU's memory",
	"wrong-arch":             "set TORCH_CUDA_ARCH_LIST or FLASHINFER_CUDA_ARCH_LIST in the recipe's environment; vLLM's CMake folds 12.1a to 12.0 unless patched (vllm-project/vllm issue 36835)",
	"nvcc-too-old":           "use a base with CUDA 13.0 or later (sm_121a came with 12.9)",
	"ptxas-too-old":          "set TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas in the environment of the build and of the image",
	"missing-header":         "add the package that has it to the base, or the submodule to the recipe's source",
	"missing-library":        "add the package that has it to the base",
	"network-in-build":       "add what it downloads to the recipe, so that it is pinned and fetched beforehand: a source or submodule, and fetchcontent = true in the [[wheel]] for what CMake's FetchContent downloads",
	"fetchcontent":           "set fetchcontent = true in the recipe's [[wheel]] and run `sparkwheel lock`; where that is set, give [wheel.fetchcontent.repository.NAME] a url and a ref",
	"missing-module":         "add the distribution to the wheel's requires in the recipe, or a shim for it, and run `sparkwheel lock`",
	"missing-program":        "add its package to the base (gcc and g++, or a devel CUDA image), or its distribution (cmake, ninja) to the wheel's requires; where the base has it outside PATH, set PATH in the wheel's environment: it is put before the base's",
	"disk-full":              "run `sparkwheel cache gc`, or give --store a larger disk",
	"outside-build":          "builds can write only below /build and /tmp; look for a variable that moves that path, such as HOME or a cache directory",
	"too-many-processes":     "build with fewer jobs: -j N",
	"host-compiler-too-new":  "add the newest g++ that this CUDA supports to the base, and set NVCC_PREPEND_FLAGS=-ccbin=g++-N",
	"torch-cuda-mismatch":    "lock a torch for the base's CUDA (an [[index]] of the recipe for cu130), or use another base",
	"no-scm-version":         "set version in the recipe's source, which is passed on as SETUPTOOLS_SCM_PRETEND_VERSION or the project's own variable",
	"undefined-torch-symbol": "build it against the torch of the lock: run `sparkwheel lock --upgrade=torch`, then build again",
	"missing-torch-cuda":     "pin torch in the recipe's rules, and look at what `sparkwheel lock` chose",
	"cuda-major-mismatch":    "use wheels and base of the same CUDA major version",
	"no-kernel-image":        "`sparkwheel wheel inspect FILE` shows what it has; build it from source for this GPU",
	"driver-too-old":         "`sparkwheel doctor` shows both; use an older base or update the driver",
	"cubin-download":         "run it again: finished downloads are kept; or take the cubins from a bundle",
	"flashinfer-shim-build":  "build the wheel from flashinfer-jit-cache-provider/, or choose an older ref",
	"flashinfer-versions":    "lock all three at the same version",
	"conflicting-urls":       "give only one of them",
	"no-matching-wheel":      "run `sparkwheel lock` again against this base, or choose another version",
	"patch-failed":           "choose a ref that the patch was made for, or remove the patch from the recipe",
	"cutlass-internal":       "compile for sm_121a: set TORCH_CUDA_ARCH_LIST or FLASHINFER_CUDA_ARCH_LIST in the recipe's environment",
	"nccl-mismatch":          "keep one libnccl: that of the lock's nvidia-nccl wheel, or the base's, and leave LD_LIBRARY_PATH and VLLM_NCCL_SO_PATH alone",
	"no-solution":            "set tools.exclude-newer in the recipe to a day on which it worked, or override what the lines below show, and run `sparkwheel lock`",
	"download-cut":           "download it with `sparkwheel fetch`, which resumes and checks every byte; add it to the recipe if the build downloads it itself",
	"download-timeout":       "run it again: finished downloads are kept; or set UV_HTTP_TIMEOUT=600",
}
