package base

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuildsInheritTheBasesEnvironment(t *testing.T) {
	t.Parallel()
	cuda := []string{
		"PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/usr/local/cuda/lib64", "CUDA_VERSION=13.2.0",
		"LIBRARY_PATH=/usr/local/cuda/lib64/stubs", "NVIDIA_REQUIRE_CUDA=cuda>=13.2", "TOKEN=secret", "HOME=/root",
	}
	for name, tc := range map[string]struct{ own, want string }{
		"nothing of its own": {"", "PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/cuda/lib64 CUDA_VERSION=13.2.0 LIBRARY_PATH=/usr/local/cuda/lib64/stubs"},
		"more directories": {"PATH=/opt/bin:/usr/bin CPATH=/opt/include", "PATH=/opt/bin:/usr/bin:/usr/local/nvidia/bin:/usr/local/cuda/bin:/bin LD_LIBRARY_PATH=/usr/local/cuda/lib64 CUDA_VERSION=13.2.0 " +
			"LIBRARY_PATH=/usr/local/cuda/lib64/stubs CPATH=/opt/include"},
		"another value": {"CUDA_VERSION=13.0 X=1", "PATH=/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/cuda/lib64 CUDA_VERSION=13.0 LIBRARY_PATH=/usr/local/cuda/lib64/stubs X=1"},
	} {
		if diff := cmp.Diff(tc.want, strings.Join(inherit(cuda, strings.Fields(tc.own)), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := inherit(nil, []string{"A=1"}); len(got) != 1 {
		t.Errorf("of a base without variables: %q", got)
	}
}
