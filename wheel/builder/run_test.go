package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// runner is a func as a Runner.
type runner func(cmd sandbox.Command) error

func (r runner) Run(_ context.Context, cmd sandbox.Command) error { return r(cmd) }

func TestWheelsTriesAgainWithHalfTheJobs(t *testing.T) {
	t.Parallel()
	good := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
	for name, tc := range map[string]struct {
		jobs  int
		fails int // builds that run out of memory
		want  []string
		ok    bool
	}{
		"once":  {8, 1, []string{"MAX_JOBS=8", "MAX_JOBS=4"}, true},
		"twice": {8, 2, []string{"MAX_JOBS=8", "MAX_JOBS=4"}, false},
		"one":   {1, 1, []string{"MAX_JOBS=1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tried []string
			r := runner(func(cmd sandbox.Command) error {
				i := slices.IndexFunc(cmd.Env, func(kv string) bool { return strings.HasPrefix(kv, "MAX_JOBS=") })
				tried = append(tried, cmd.Env[i])
				if len(tried) <= tc.fails {
					io.WriteString(cmd.Output, "nvcc error   : 'cicc' died due to signal 9 (Kill signal)\n")
					return &sandbox.ExitError{Args: cmd.Args, Code: 1, OOM: true, Peak: 6 << 30}
				}
				return good.Run(t.Context(), cmd)
			})
			spec := demoSpec(t)
			spec.Jobs = tc.jobs
			var log bytes.Buffer
			_, err := Wheels(t.Context(), r, spec, t.TempDir(), &log)
			if diff := cmp.Diff(tc.want, tried); diff != "" {
				t.Errorf("tried (-want +got):\n%s", diff)
			}
			if tc.ok {
				if err != nil || !strings.Contains(log.String(), "out of memory with 8 jobs (peak 6.0 GiB); trying once more with 4") {
					t.Errorf("Wheels = %v, log:\n%s", err, &log)
				}
				return
			}
			failed, ok := errors.AsType[*FailedError](err)
			if !ok || !failed.Exit.OOM || len(failed.Findings) != 1 {
				t.Fatalf("Wheels = %v, want a *FailedError", err)
			}
			for _, want := range []string{"building Demo_Dist: ", "out of memory (peak 6.0 GiB)", "cause: ", "[out-of-memory]"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestWheelsSendsCompilersThroughTheLauncher(t *testing.T) {
	t.Parallel()
	good := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
	r := runner(func(cmd sandbox.Command) error {
		if slices.Contains(cmd.Args, "build") {
			lines := `{"directory":"/build/src","arguments":["nvcc","b.cu"],"file":"b.cu"}
{"directory":"/build/src","arguments":["nvcc","a.cu"],"file":"a.cu","arch":["sm_121a"]}
`
			if err := os.WriteFile(filepath.Join(cmd.Mounts[0].Source, "commands"), []byte(lines), 0o644); err != nil {
				return err
			}
		}
		return good.Run(t.Context(), cmd)
	})
	spec := demoSpec(t)
	spec.Launcher, spec.CCache, spec.RequireArch = "/opt/sparkwheel", "/store/ccache", []string{"sm_121a", "sm_120f"}
	spec.Env = append(spec.Env, "CUDA_HOME=/usr/local/cuda")
	dir := t.TempDir()
	if _, err := Wheels(t.Context(), r, spec, dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	last := good.ran[len(good.ran)-1]
	for _, want := range []string{
		"CMAKE_CUDA_COMPILER_LAUNCHER=/build/bin/sparkwheel-launch", "FLASHINFER_NVCC_LAUNCHER=/build/bin/sparkwheel-launch",
		"PYTORCH_NVCC=/build/bin/sparkwheel-launch /usr/local/cuda/bin/nvcc", "SPARKWHEEL_REQUIRE_ARCH=sm_121a,sm_120f", "CCACHE_DIR=/build/ccache",
	} {
		if !slices.Contains(last.Env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	for _, want := range []sandbox.Mount{{Source: "/opt/sparkwheel", Target: "/build/bin/" + launcher.Name}, {Source: "/store/ccache", Target: "/build/ccache", Writable: true}} {
		if !slices.Contains(last.Mounts, want) {
			t.Errorf("the mounts lack %+v", want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, CommandsFile))
	if err != nil {
		t.Fatal(err)
	}
	var got []launcher.Command
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].File != "a.cu" || got[1].File != "b.cu" {
		t.Errorf("commands %+v, want a.cu and b.cu", got)
	}
	spec.Launcher = ""
	if _, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "need a launcher") {
		t.Errorf("Wheels without a launcher = %v", err)
	}
}

func TestWheelsFixesTheProcessors(t *testing.T) {
	t.Parallel()
	r := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
	spec := demoSpec(t)
	spec.Jobs, spec.CPUs = 8, 2
	for _, vary := range []*Variation{nil, {}} {
		spec.Vary = vary
		if _, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := r.ran[len(r.ran)-1]; got.CPUs != 2 || !slices.Contains(got.Env, "MAX_JOBS=2") {
			t.Errorf("the build sees %d processors, environment %q", got.CPUs, got.Env)
		}
	}
}
