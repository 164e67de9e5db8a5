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
				if err != nil || !strings.Contains(log.String(), "out of memory with 8 jobs (peak 6.0 GiB); trying again with 4") {
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
	var config launcher.Config
	r := runner(func(cmd sandbox.Command) error {
		if slices.Contains(cmd.Args, "build") {
			news, err := os.OpenFile(filepath.Join(cmd.Mounts[0].Source, "launch", launcher.NewsFile), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			if _, err := news.WriteString("a table\n"); err != nil {
				return err
			}
			if err := news.Close(); err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(cmd.Mounts[0].Source, "launch", launcher.ConfigFile))
			if err != nil {
				return err
			}
			if err := json.Unmarshal(text, &config); err != nil {
				return err
			}
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
	spec.Launcher, spec.CCache = "/opt/sparkwheel", "/store/ccache"
	spec.Env = append(spec.Env, "CUDA_HOME=/usr/local/cuda", "NVCC_APPEND_FLAGS=-lineinfo", "CMAKE_ARGS=-DX=1 -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache")
	dir := t.TempDir()
	var log bytes.Buffer
	if _, err := Wheels(t.Context(), r, spec, dir, &log); err != nil {
		t.Fatal(err)
	}
	if log.String() != "a table\n" {
		t.Errorf("the log has %q of the launcher's news", log.String())
	}
	want := launcher.Config{Commands: "/build/commands", Source: "/build/src", Cache: "ccache",
		CacheEnv: []string{"CCACHE_DIR=/build/ccache", "CCACHE_COMPILERCHECK=content", "CCACHE_TEMPDIR=/tmp/ccache", "CCACHE_MAXSIZE=50G"}}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("the launcher's configuration (-want +got):\n%s", diff)
	}
	last := good.ran[len(good.ran)-1]
	if last.Args[0] != "/build/launch/sparkwheel-launch" || last.Args[1] != "--" {
		t.Errorf("the build runs as %q", last.Args)
	}
	for _, want := range []string{
		"CMAKE_CUDA_COMPILER_LAUNCHER=/build/launch/sparkwheel-launch", "FLASHINFER_NVCC_LAUNCHER=/build/launch/sparkwheel-launch",
		"PYTORCH_NVCC=/build/launch/sparkwheel-launch /usr/local/cuda/bin/nvcc", "NVCC_APPEND_FLAGS=" + launcher.AppendFlags + " -lineinfo",
		"CMAKE_ARGS=-DX=1 -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=/build/launch/sparkwheel-launch " +
			"-DCMAKE_CXX_COMPILER_LAUNCHER=/build/launch/sparkwheel-launch -DCMAKE_CUDA_COMPILER_LAUNCHER=/build/launch/sparkwheel-launch",
	} {
		if !slices.Contains(last.Env, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	for _, want := range []sandbox.Mount{{Source: "/opt/sparkwheel", Target: "/build/launch/" + launcher.Name}, {Source: "/store/ccache", Target: "/build/ccache", Writable: true}} {
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
	if _, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard); err == nil || !strings.Contains(err.Error(), "needs a launcher") {
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

func TestWheelsSaysThatItsGateRefused(t *testing.T) {
	t.Parallel()
	r := runner(func(cmd sandbox.Command) error {
		for _, m := range cmd.Mounts {
			if m.Target == "/build" {
				return errors.Join(os.WriteFile(filepath.Join(m.Source, "launch", launcher.RefusedFile), []byte("old.so gets code of verdict none"), 0o600),
					&sandbox.ExitError{Args: cmd.Args, Code: 1})
			}
		}
		return errors.New("/build is not mounted")
	})
	spec := demoSpec(t)
	spec.Launcher = os.Args[0]
	spec.Gate = &launcher.Gate{GPU: "12.1", Require: "family"}
	_, err := Wheels(t.Context(), r, spec, t.TempDir(), io.Discard)
	failed, ok := errors.AsType[*FailedError](err)
	if want := "old.so gets code of verdict none"; !ok || failed.Refused != want || !strings.Contains(err.Error(), "cause:  "+want) {
		t.Errorf("Wheels = %v", err)
	}
}
