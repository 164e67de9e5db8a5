package environments

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	pins := func(files ...string) (all []index.Pin) {
		for _, f := range files {
			name, _, _ := strings.Cut(f, "-")
			all = append(all, index.Pin{Name: name, File: f + "-py3-none-any.whl"})
		}
		return all
	}
	names := []requirements.Name{"torch", "numpy", "apache-tvm-ffi"}
	for name, tt := range map[string]struct {
		build, runtime []index.Pin
		want           []Different
	}{
		"equal":               {pins("torch-2.11.0+cu130"), pins("torch-2.11.0+cu130"), nil},
		"another":             {pins("torch-2.15.0", "numpy-2.0"), pins("torch-2.11.0", "numpy-2.0"), []Different{{"torch", "2.15.0", "2.11.0"}}},
		"another build":       {pins("torch-2.11.0+cpu"), pins("torch-2.11.0+cu130"), []Different{{"torch", "2.11.0+cpu", "2.11.0+cu130"}}},
		"one spelt apart":     {pins("apache_tvm_ffi-0.1.6"), pins("apache_tvm_ffi-0.1.12"), []Different{{"apache-tvm-ffi", "0.1.6", "0.1.12"}}},
		"not in the image":    {pins("torch-2.15.0"), pins("numpy-2.0"), nil},
		"not in the build":    {nil, pins("torch-2.11.0"), nil},
		"without such an ABI": {pins("ninja-1"), pins("ninja-2"), nil},
	} {
		got, err := Compare(names, tt.build, tt.runtime)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	err := &ABIError{"vllm", []Different{{"torch", "2.15.0", "2.11.0"}}, errors.New("uv says no")}
	want := "wheel vllm would be built with torch 2.15.0, and the image has 2.11.0; give both one version in [constraints]\nno build environment with the image's was found: uv says no"
	if err.Error() != want {
		t.Errorf("the error is\n%s, want\n%s", err, want)
	}
}
