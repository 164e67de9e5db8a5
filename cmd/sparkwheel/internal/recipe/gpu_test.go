package recipe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

var gpuTarget = strings.Replace(minimal, "[target]\n", "[target]\ngpu-arch = \"12.1a\"\n", 1)

// TestGate: a wheel's own table holds over the recipe's, key by key.
func TestGate(t *testing.T) {
	t.Parallel()
	const tables = `distribution = "a"
[wheel.gpu]
except = { "a/*.so#sm_90a" = "for Hopper alone" }
[gpu]
require = "family"
driver = "13.0"
except = { "nvidia-*:*" = "NVIDIA's own" }
`
	r, err := Parse("r", "r.toml", []byte(gpuTarget+tables))
	if err != nil {
		t.Fatal(err)
	}
	driver := cuda.Version{Major: 13}
	for own, want := range map[*GPU]*GPU{
		nil:             {Require: cuda.Family, Driver: driver, Except: []inspect.Exception{{Distribution: "nvidia-*", Glob: "*", Reason: "NVIDIA's own"}}},
		r.Wheels[0].GPU: {Require: cuda.Family, Driver: driver, Except: []inspect.Exception{{Distribution: "a", Glob: "a/*.so#sm_90a", Reason: "for Hopper alone"}}},
	} {
		if diff := cmp.Diff(want, r.Gate(own), cmpopts.IgnoreUnexported(GPU{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", own, diff)
		}
	}
	plain, err := Parse("r", "r.toml", []byte(minimal))
	if err != nil || plain.Gated() || plain.Gate(nil) != nil {
		t.Errorf("a recipe that demands nothing is gated: %v", err)
	}
}

func TestGateFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"a verdict that is none":    {gpuTarget + "[gpu]\nrequire = \"fast\"\n", `gpu.require: "fast" is not native, family or ptx`},
		"a driver that is none":     {gpuTarget + "[gpu]\ndriver = \"new\"\n", `gpu.driver: "new" is not a version`},
		"an exception of nobody":    {gpuTarget + "[gpu]\nexcept = { \"x.so\" = \"why\" }\n", `gpu.except: "x.so" is not of the form DISTRIBUTION:GLOB`},
		"an exception for nothing":  {gpuTarget + "[gpu]\nexcept = { \"a:x.so\" = \" \" }\n", `gpu.except: "a:x.so" has no reason`},
		"an exception of a wheel's": {gpuTarget + "distribution = \"a\"\n[wheel.gpu]\nexcept = { \"[\" = \"why\" }\n", `wheel "a": gpu.except: "[" is not a pattern`},
		"no GPU":                    {minimal + "[gpu]\nrequire = \"ptx\"\n", `target.gpu-arch is missing`},
	} {
		if _, err := Parse("r", "r.toml", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
