package wheels

import (
	"errors"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// A contradiction between what a backend announces and the lock is found before
// the build.
func TestForetold(t *testing.T) {
	t.Parallel()
	const head = "Metadata-Version: 2.1\nName: vllm\nVersion: 1.0\n"
	p := Plan{
		Recipe: recipe.Wheel{Name: "vllm", Distribution: "vllm"}, Tree: &sources.Tree{Dir: t.TempDir()},
		Base: &base.Base{Python: base.Python{Path: "/usr/bin/python3", Version: "3.12", Full: "3.12.3", Machine: "aarch64"}},
		Pins: []index.Pin{{Name: "torch", File: "torch-2.11.0+cu130-cp312-cp312-linux_aarch64.whl"}, {Name: "ninja", File: "ninja-1.13.0-py3-none-any.whl"}},
	}
	for name, tt := range map[string]struct {
		said builder.Foretold
		want string // "" is no error
	}{
		"nothing":             {builder.Foretold{}, ""},
		"all is well":         {builder.Foretold{Requires: []string{"Ninja>=1.5", "x; python_version < '3'"}, Metadata: head + "Requires-Dist: torch==2.11.0\n"}, ""},
		"another torch":       {builder.Foretold{Metadata: head + "Requires-Dist: torch==2.10.0\n"}, "torch"},
		"another name":        {builder.Foretold{Metadata: strings.Replace(head, "vllm", "vllm-cpu", 1)}, "announces vllm-cpu; a wheel of vllm is expected"},
		"another version":     {builder.Foretold{Metadata: strings.Replace(head, "1.0", "2.0", 1)}, "two versions"},
		"no metadata":         {builder.Foretold{Metadata: "x"}, "the metadata that the build backend of wheel vllm announces: "},
		"asks for more":       {builder.Foretold{Requires: []string{"cmake"}}, `asks for "cmake", and the lock has none; add it to the wheel's requires`},
		"asks for newer":      {builder.Foretold{Requires: []string{"ninja>=2"}}, `asks for "ninja>=2", and the lock has 1.13.0`},
		"asks for what is no": {builder.Foretold{Requires: []string{"-e ."}}, `asks for "-e ."`},
	} {
		p.Agree = func(v version.Version) error {
			if v.String() != "1.0" {
				return errors.New("two versions")
			}
			return nil
		}
		err := p.foretold(tt.said)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if _, fault := errors.AsType[*truth.Error](err); fault != (name == "another torch") {
			t.Errorf("%s gave %T", name, err)
		}
	}
	p.Recipe.Repair = true
	if err := p.foretold(builder.Foretold{Metadata: head + "Requires-Dist: torch==2.10.0\n"}); err != nil {
		t.Errorf("what is repaired after the build ended it: %v", err)
	}
}
