package wheels

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

func TestMustContain(t *testing.T) {
	t.Parallel()
	file := wheeltest.New("w-1.0-cp312-cp312-linux_aarch64.whl", "w/_C.abi3.so", "x", "w/deep/er.so", "y").Write(t, t.TempDir())
	for name, tt := range map[string]struct{ patterns, missing []string }{
		"nothing":  {},
		"all":      {[]string{"w/_C*.so", "w/**/er.so"}, nil},
		"not all":  {[]string{"w/_C*.so", "w/_moe_C*.so", "vllm-rs"}, []string{"w/_moe_C*.so", "vllm-rs"}},
		"no depth": {[]string{"w/*.py", "*.so"}, []string{"w/*.py", "*.so"}},
	} {
		err := Plan{Recipe: recipe.Wheel{Name: "w", MustContain: tt.patterns}}.mustContain(file)
		var missing []string
		if e, ok := errors.AsType[*MissingFilesError](err); ok {
			missing = e.Patterns
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.missing, missing); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// GPU code that no compiler was seen to make is a fault, unless it is a file that
// the build was given.
func TestCheckRecorded(t *testing.T) {
	t.Parallel()
	library := string(elftest.ELF{Fatbin: elftest.Container(elftest.SASS(121, elftest.Specific, 1))}.Bytes())
	cubin := string(elftest.Cubin(90, 1))
	cubinSum := sha256.Sum256([]byte(cubin))
	input := sources.Input{Name: "cubins", Pins: []index.Pin{{SHA256: hex.EncodeToString(cubinSum[:])}}}
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "vendor"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "vendor/_C.so"), []byte(library), 0o666); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	const cuda, trial, host = `[{"file":"k.cu","cuda":true}]`, `[{"file":"k.cu","cuda":true,"trial":true}]`, `[{"file":"k.cpp"}]`
	for name, tt := range map[string]struct {
		commands, tree string
		members        []string
		inputs         []sources.Input
		prebuilt       []string
		want           []string
	}{
		"no GPU code":        {"", empty, []string{"w/_C.so", string(elftest.ELF{}.Bytes())}, nil, nil, nil},
		"recorded":           {cuda, empty, []string{"w/_C.so", library}, nil, nil, nil},
		"nothing recorded":   {"", empty, []string{"w/_C.so", library, "w/k.cubin", cubin}, nil, nil, []string{"w/_C.so", "w/k.cubin"}},
		"a trial":            {trial, empty, []string{"w/_C.so", library}, nil, nil, []string{"w/_C.so"}},
		"C++ alone":          {host, empty, []string{"w/_C.so", library}, nil, nil, []string{"w/_C.so"}},
		"an input":           {"", empty, []string{"w/k.cubin", cubin}, []sources.Input{input}, nil, nil},
		"one input of two":   {"", empty, []string{"w/_C.so", library, "w/k.cubin", cubin}, []sources.Input{input}, nil, []string{"w/_C.so"}},
		"a file of the tree": {"", tree, []string{"w/_C.so", library}, nil, nil, nil},
		"another file there": {"", tree, []string{"w/_C.so", library + "x"}, nil, nil, []string{"w/_C.so"}},
		"said to be":         {"", empty, []string{"w/_C.so", library}, nil, []string{"w/*.so"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := wheeltest.New("w-1.0-cp312-cp312-linux_aarch64.whl", tt.members...).Write(t, dir)
			if tt.commands != "" {
				if err := os.WriteFile(filepath.Join(dir, builder.CommandsFile), []byte(tt.commands), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			p := Plan{Recipe: recipe.Wheel{Name: "w", Prebuilt: tt.prebuilt}, Tree: &sources.Tree{Dir: tt.tree}, Inputs: tt.inputs}
			err := p.checkRecorded(t.Context(), file)
			var got []string
			if e, ok := errors.AsType[*UnrecordedError](err); ok {
				got = e.Paths
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}
