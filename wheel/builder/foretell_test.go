package builder

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// What the backend says comes before the build, and its refusal in place of it.
func TestWheelsAsksTheBackendFirst(t *testing.T) {
	t.Parallel()
	refusal := errors.New("torch is pinned to another version")
	for name, tt := range map[string]struct {
		answer string
		refuse error
		want   Foretold
		log    string
	}{
		"good":    {`{"requires": ["ninja"], "metadata": "Name: x\n", "failed": ""}`, nil, Foretold{Requires: []string{"ninja"}, Metadata: "Name: x\n"}, ""},
		"refused": {`{"requires": [], "metadata": "", "failed": ""}`, refusal, Foretold{Requires: []string{}}, ""},
		"failed":  {`{"requires": [], "metadata": "", "failed": "KeyError: CUDA_HOME"}`, nil, Foretold{Requires: []string{}, Failed: "KeyError: CUDA_HOME"}, "KeyError: CUDA_HOME"},
		"a link":  {"", nil, Foretold{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := &backend{wheels: map[string]string{"demo_dist-1.0-py3-none-any.whl": "x"}}
			var ran []string
			r := runner(func(cmd sandbox.Command) error {
				at := filepath.Join(cmd.Mounts[0].Source, foretold)
				if !slices.Contains(cmd.Args, fileForetell) {
					ran = append(ran, "build")
					return good.Run(t.Context(), cmd)
				}
				ran = append(ran, "ask")
				if _, err := os.Stat(filepath.Join(cmd.Mounts[0].Source, "foretell/pyproject.toml")); err != nil {
					t.Error(err)
				}
				if tt.answer == "" {
					return os.Symlink("/etc/hostname", at)
				}
				return os.WriteFile(at, []byte(tt.answer), 0o600)
			})
			var heard Foretold
			spec := demoSpec(t)
			spec.Foretold = func(f Foretold) error { heard = f; return tt.refuse }
			var log bytes.Buffer
			_, err := Wheels(t.Context(), r, spec, t.TempDir(), &log)
			want := []string{"ask", "build"}
			if tt.refuse != nil || tt.answer == "" {
				want = []string{"ask"}
			}
			if diff := cmp.Diff(want, ran); diff != "" {
				t.Errorf("ran (-want +got):\n%s", diff)
			}
			if tt.answer == "" {
				if err == nil || !strings.Contains(err.Error(), "not a regular file") {
					t.Errorf("Wheels = %v", err)
				}
			} else if !errors.Is(err, tt.refuse) {
				t.Errorf("Wheels = %v", err)
			}
			if diff := cmp.Diff(tt.want, heard); diff != "" || !strings.Contains(log.String(), tt.log) {
				t.Errorf("heard (-want +got):\n%s\nlog: %s", diff, &log)
			}
		})
	}
}

// The script asks a backend as PEP 517 has it, one in the tree too.
func TestForetellScript(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	if exec.CommandContext(t.Context(), python, "-c", "import tomllib").Run() != nil {
		t.Skip("needs a Python with tomllib")
	}
	for name, tt := range map[string]struct {
		backend string
		want    Foretold
	}{
		"both hooks": {`
def get_requires_for_build_wheel(settings):
    return ["nccl4py" + settings["x"]]
def prepare_metadata_for_build_wheel(out, settings):
    import os
    os.mkdir(out + "/d.dist-info")
    open(out + "/d.dist-info/METADATA", "w").write("Name: d\n")
    return "d.dist-info"
`, Foretold{Requires: []string{"nccl4py==1"}, Metadata: "Name: d\n"}},
		"no hook":   {"", Foretold{Requires: []string{}}},
		"it exits":  {"def get_requires_for_build_wheel(s): raise SystemExit('no CUDA')\n", Foretold{Requires: []string{}, Failed: "SystemExit: no CUDA"}},
		"no module": {"import nonesuch\n", Foretold{Requires: []string{}, Failed: "No module named 'nonesuch'"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "src/pyproject.toml"), "[build-system]\nrequires = []\nbuild-backend = \"own\"\nbackend-path = [\"b\"]\n", 0o644)
			write(t, filepath.Join(dir, "src/b/own.py"), tt.backend, 0o644)
			write(t, filepath.Join(dir, "foretell.py"), strings.ReplaceAll(foretellScript, "/build/foretold", dir+"/foretold"), 0o644)
			out := filepath.Join(dir, foretold)
			text, err := exec.CommandContext(t.Context(), python, filepath.Join(dir, "foretell.py"), out, filepath.Join(dir, "src"), `{"x": "==1"}`).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			answer, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var got Foretold
			if err := json.Unmarshal(answer, &got); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.Failed, tt.want.Failed) {
				got.Failed = tt.want.Failed
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
