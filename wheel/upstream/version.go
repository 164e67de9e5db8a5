// Package upstream computes the versions that vLLM's and FlashInfer's own build
// systems give their wheels, so that a plan knows a wheel's name before it is
// built and a build can be told instead of asking git, nvcc or the clock.
package upstream

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// VLLM is what vLLM's setup.py looks at.
type VLLM struct {
	// SCM is what setuptools-scm computes or is told
	// (SETUPTOOLS_SCM_PRETEND_VERSION), as 0.22.1rc1.dev124+gace95c9cf.d20260603.
	SCM string
	// Device is VLLM_TARGET_DEVICE: cuda, empty, cpu, tpu or xpu.
	Device string
	// CUDA is the release of nvcc, as 13.2; read for cuda alone.
	CUDA string
	// MainCUDA is VLLM_MAIN_CUDA_VERSION, whose wheels carry no suffix; "" is
	// the default of vLLM 0.22, 13.0.
	MainCUDA string
}

// Version is the version of the wheel, normalised as in its file name: SCM, and
// in its local label the device, or cu and the first three digits of the CUDA
// release where that is not the main one.
func (v VLLM) Version() (version.Version, error) {
	suffix := v.Device
	if v.Device == "cuda" {
		release, err := version.Parse(v.CUDA)
		if err != nil {
			return version.Version{}, fmt.Errorf("computing vLLM's version: the CUDA release: %w", err)
		}
		suffix = ""
		if main := strings.ToLower(orDefault(v.MainCUDA, "13.0")); release.String() != main {
			digits := strings.ReplaceAll(release.String(), ".", "")
			suffix = "cu" + digits[:min(3, len(digits))]
		}
	}
	return local("vLLM", v.SCM, suffix)
}

func orDefault(s, value string) string {
	if s == "" {
		return value
	}
	return s
}

// FlashInfer is what the build backends of flashinfer-python, flashinfer-cubin
// and flashinfer-jit-cache look at. The three must be built with the same
// values: FlashInfer compares their versions when it is imported.
type FlashInfer struct {
	Text  string // of version.txt
	Dev   string // FLASHINFER_DEV_RELEASE_SUFFIX
	Local string // FLASHINFER_LOCAL_VERSION, as 1d54c5c6
}

// String is the version as FlashInfer writes it into __version__. It may differ
// from Version: a local label of digits alone keeps its leading zeros here.
func (f FlashInfer) String() string {
	text := strings.TrimSpace(f.Text)
	if f.Dev != "" {
		text += ".dev" + f.Dev
	}
	if f.Local != "" {
		text += "+" + f.Local
	}
	return text
}

// Version is the version of the wheel, normalised as in its file name and
// METADATA: 0.6.12+01234567 is 0.6.12+1234567 there.
func (f FlashInfer) Version() (version.Version, error) {
	v, err := version.Parse(f.String())
	if err != nil {
		return v, fmt.Errorf("computing FlashInfer's version: %w", err)
	}
	return v, nil
}

// local appends a local label, to one that is there by a dot.
func local(project, public, label string) (version.Version, error) {
	text := public
	switch {
	case label == "":
	case strings.Contains(public, "+"):
		text += "." + label
	default:
		text += "+" + label
	}
	v, err := version.Parse(text)
	if err != nil {
		return v, fmt.Errorf("computing %s's version: %w", project, err)
	}
	return v, nil
}
