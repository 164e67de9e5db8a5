package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// What the recipe demands of GPU code holds while it is compiled, too.
func TestEarlyGate(t *testing.T) {
	t.Parallel()
	exceptions := []inspect.Exception{{Distribution: "w", Glob: "w/_C.so#sm_90a"}, {Distribution: "x*", Glob: "x.so"}}
	own := &recipe.GPU{Require: cuda.Native, Driver: cuda.Version{Major: 13, Minor: 2}}
	for name, tt := range map[string]struct {
		arch         string
		gpu, own     *recipe.GPU
		distribution string
		want         *launcher.Gate
	}{
		"no GPU":           {"", nil, nil, "w", nil},
		"nothing demanded": {"12.1a", nil, nil, "w", &launcher.Gate{GPU: "12.1", Driver: "13.0"}},
		"the recipe's":     {"12.1a", &recipe.GPU{Require: cuda.Family, Except: exceptions}, nil, "w", &launcher.Gate{GPU: "12.1", Driver: "13.0", Require: "family", Except: []string{"w/_C.so"}}},
		"the wheel's own":  {"12.1a", &recipe.GPU{Require: cuda.Family, Except: exceptions}, own, "xy", &launcher.Gate{GPU: "12.1", Driver: "13.2", Require: "native", Except: []string{"x.so"}}},
		"a build's":        {"12.1a", &recipe.GPU{Require: cuda.Family, Except: exceptions}, nil, "*", &launcher.Gate{GPU: "12.1", Driver: "13.0", Require: "family", Except: []string{"w/_C.so", "x.so"}}},
	} {
		b := &build{Request: Request{Recipe: &recipe.Recipe{Target: recipe.Target{GPUArch: tt.arch}, GPU: tt.gpu}, Lock: &recipe.Lock{Driver: "13.0"}}}
		if diff := cmp.Diff(tt.want, b.earlyGate(tt.own, tt.distribution)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
