package gate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

func TestMixed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target string
		set    string
		want   []string
	}{
		{"13.2", "nixl-cu13 1.0, nvidia-nccl-cu13 2.29.7, nvidia-cuda-runtime 13.2.51, nvidia-cuda-nvcc 13.2.86, cuda-pathfinder 1.3.0, nvidia-cublas 13.1.0", nil},
		{"13.2", "nixl-cu12 1.0, nixl-cu13 1.1", []string{"nixl-cu12 1.0 and nixl-cu13 1.1 are one thing for different CUDA majors; nixl-cu13 1.1 fits CUDA 13.2"}},
		{"", "nixl-cu12 1.0, nixl-cu13 1.1", []string{"nixl-cu12 1.0 and nixl-cu13 1.1 are one thing for different CUDA majors"}},
		{"13.2", "nvidia-nccl-cu12 2.29.7", []string{"nvidia-nccl-cu12 2.29.7 is for another CUDA major than the target's 13.2"}},
		{"", "nvidia-nccl-cu12 2.29.7", nil},
		{"13.0", "nvidia-cuda-nvcc 13.5.37, nvidia-cuda-runtime 13.0.96, nvidia-cuda-nvrtc 13.0.88, cuda-python 12.6.2", []string{
			"the toolkit's parts are of CUDA 12.6 (cuda-python 12.6.2) and 13.0 (nvidia-cuda-nvrtc 13.0.88, nvidia-cuda-runtime 13.0.96) and " +
				"13.5 (nvidia-cuda-nvcc 13.5.37); PTX that the newest of them makes needs a driver for CUDA 13.5",
		}},
	} {
		var set []truth.Distribution
		for one := range strings.SplitSeq(tt.set, ", ") {
			name, v, _ := strings.Cut(one, " ")
			parsed, err := version.Parse(v)
			if err != nil {
				t.Fatal(err)
			}
			set = append(set, truth.Distribution{Name: requirements.Normalize(name), Version: parsed})
		}
		if diff := cmp.Diff(tt.want, Mixed(set, tt.target)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.set, diff)
		}
	}
}
