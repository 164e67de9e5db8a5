package pipeline

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// TestGate refuses a built wheel with code for other GPUs before any layer is
// written, and records the verdict of one that is excused.
func TestGate(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.prepare()
	p.recipe.Target.GPUArch = "12.1a"
	p.recipe.GPU = &recipe.GPU{Require: cuda.Family}
	p.lock.Driver = "13.0"
	const file = "w-1.0-cp312-cp312-linux_aarch64.whl"
	library := elftest.ELF{Fatbin: append(
		elftest.Container(elftest.SASS(121, elftest.Specific, 1)),
		elftest.Container(elftest.SASS(90, elftest.Specific, 1), elftest.SASS(100, elftest.Family, 1))...,
	)}.Bytes()
	p.recipe.Wheels[0].Environment["CUDA"] = "1" // another key than the wheel without it
	p.give(store.Stage, "wheel w", map[string]string{file: string(wheeltest.New(file, "w/_C.so", string(library)).Pack())})

	for _, image := range []bool{false, true} {
		g := new(stage.Graph)
		if _, err := Build(g, p.request(image)); err != nil {
			t.Fatal(err)
		}
		err := g.Run(t.Context(), 2, silent{})
		refused, ok := errors.AsType[*gate.Error](err)
		if !ok || len(refused.Refused) != 1 || !strings.Contains(err.Error(), `except = { "w:w/_C.so#sm_90a+sm_100f" = "..." }`) {
			t.Fatalf("with image %v: %v", image, err)
		}
		for _, step := range p.plan(true) {
			if strings.HasPrefix(step.Name, "layer w") && step.Hit {
				t.Error("the refused wheel's layer was written")
			}
		}
	}

	p.recipe.GPU.Except = []inspect.Exception{{Distribution: "w", Glob: "w/_C.so#sm_90a+*", Reason: "never called there"}, {Distribution: "x", Glob: "*"}}
	want := &gate.Judged{
		GPU: "12.1", Driver: "13.0", Unused: []string{"x:*"},
		Binaries: []gate.Binary{{
			Distribution: "w", Path: "w/_C.so", Verdict: cuda.None,
			Reason: "of 2 fatbins 1 native, 1 none; the worst: cannot run here (sm_90a is for 9.0 only, sm_100f is for another family)",
		}},
	}
	if diff := cmp.Diff(want, p.image().Record.GPU); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
}

// TestGateReadsPackages refuses a package with code for other GPUs alone.
func TestGateReadsPackages(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not here")
	}
	p := newProject(t)
	p.recipe.Target.GPUArch, p.recipe.GPU = "12.1a", &recipe.GPU{Require: cuda.Family}
	dir := t.TempDir()
	p.write(filepath.Join(dir, "x/DEBIAN/control"), "Package: libx\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@example.com>\nDescription: x\n")
	p.write(filepath.Join(dir, "x/usr/lib/libx.so.1"), string(elftest.ELF{Fatbin: elftest.Container(elftest.SASS(90, elftest.Specific, 1))}.Bytes()))
	file := filepath.Join(dir, "x.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", filepath.Join(dir, "x"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pin := index.Pin{SHA256: sumOf(body)}
	p.write(pin.Path(p.env.Blobs()), string(body))
	b := newBuild(new(stage.Graph), p.request(true))
	for range 2 { // read, then kept
		all, err := b.debs(t.Context(), []recipe.LockedDeb{{Name: "libx", Version: "1", Architecture: "arm64", SHA256: pin.SHA256}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = gate.Check(p.recipe, "", all)
		if refused, ok := errors.AsType[*gate.Error](err); !ok || refused.Refused[0].Distribution != "libx" || refused.Refused[0].Path != "usr/lib/libx.so.1" {
			t.Errorf("%v", err)
		}
		if err := os.RemoveAll(pin.Path(p.env.Blobs())); err != nil {
			t.Fatal(err)
		}
	}
}
