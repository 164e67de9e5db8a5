package builder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// maker is a Runner that leaves files in the source's tree, as make would.
func maker(t *testing.T, ran *[]string, files ...string) Runner {
	return runner(func(cmd sandbox.Command) error {
		for _, args := range append(cmd.Before, cmd.Args) {
			*ran = append(*ran, strings.Join(args, " "))
		}
		for _, f := range files {
			write(t, filepath.Join(cmd.Mounts[0].Source, "src", f), f, 0o600)
		}
		link := filepath.Join(cmd.Mounts[0].Source, "src/out/link.deb")
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		return os.Symlink("/etc/passwd", link)
	})
}

func stepsSpec(t *testing.T) Spec {
	spec := demoSpec(t)
	spec.Python, spec.UV, spec.Wheels, spec.Shims = "", "", nil, nil
	spec.Distribution = "nccl"
	spec.Steps = [][]string{{"make", "-j{jobs}", "build"}, {"make", "deb"}}
	spec.Env = []string{"N={jobs}"}
	return spec
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	var ran []string
	r := maker(t, &ran, "out/a_1_arm64.deb", "out/a-dev_1_arm64.deb", "out/b-dbgsym.deb", "inst/lib/x.so", "inst/include/x.h")
	dir := t.TempDir()
	products, err := Outputs(t.Context(), r, stepsSpec(t), []Output{{Glob: "out/a_*.deb"}, {Glob: "out/a*.deb", Many: true}, {Glob: "inst", Tree: true}}, dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range products {
		rel, err := filepath.Rel(dir, p.Path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rel)
	}
	if diff := cmp.Diff([]string{"0/a_1_arm64.deb", "1/a-dev_1_arm64.deb", "1/a_1_arm64.deb", "2/inst"}, got); diff != "" {
		t.Errorf("products (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, "2/inst/lib/x.so"))
	if err != nil || !info.ModTime().Equal(epoch) || info.Mode() != 0o644 {
		t.Errorf("a file of a tree: %v, %v", info, err)
	}
	if diff := cmp.Diff([]string{"make -j3 build", "make deb"}, ran); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, names(t, dir)); diff != "" {
		t.Errorf("the directory holds (-want +got):\n%s", diff)
	}
}

func TestOutputsRefusesGlobsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for glob, want := range map[string]string{
		"out/none_*.deb": `no output of the build matches "out/none_*.deb"`,
		"out/a*.deb":     `"out/a*.deb" matches 2 entries instead of one: out/a-dev_1_arm64.deb, out/a_1_arm64.deb`,
		"out":            `no output of the build matches "out"`,
		"out/link.deb":   `no output of the build matches "out/link.deb"`,
		"../*":           `no output of the build matches "../*"`,
		"[":              "syntax error in pattern",
	} {
		var ran []string
		dir := t.TempDir()
		_, err := Outputs(t.Context(), maker(t, &ran, "out/a_1_arm64.deb", "out/a-dev_1_arm64.deb"), stepsSpec(t), []Output{{Glob: glob}}, dir, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "building nccl: ") {
			t.Errorf("%s: %v, want %q", glob, err, want)
		}
		if left := names(t, dir); len(left) != 0 {
			t.Errorf("%s: left behind: %q", glob, left)
		}
	}
}

// Again runs the steps under other circumstances, and leaves the products alike.
func TestAgain(t *testing.T) {
	t.Parallel()
	var ran []string
	var umask int
	make := maker(t, &ran, "out/a_1_arm64.deb")
	r := runner(func(cmd sandbox.Command) error {
		umask = cmd.Umask
		return make.Run(t.Context(), cmd)
	})
	dir := t.TempDir()
	products, err := Again(t.Context(), r, stepsSpec(t), []Output{{Glob: "out/a_*.deb"}}, dir, io.Discard)
	if err != nil || len(products) != 1 || products[0].Path != filepath.Join(dir, "0/a_1_arm64.deb") {
		t.Errorf("Again = %v, %v", products, err)
	}
	if diff := cmp.Diff([]string{"make -j1 build", "make deb"}, ran); diff != "" || umask != 0o077 {
		t.Errorf("umask %#o, commands (-want +got):\n%s", umask, diff)
	}
}

func TestOutputsNamesTheStepThatFailed(t *testing.T) {
	t.Parallel()
	exit := &sandbox.ExitError{Args: []string{"make", "deb"}, Code: 2, Tail: []byte("dpkg-buildpackage: error")}
	_, err := Outputs(t.Context(), &backend{fail: exit}, stepsSpec(t), nil, t.TempDir(), io.Discard)
	failed, ok := errors.AsType[*FailedError](err)
	if !ok || failed.Doing != "step make deb" {
		t.Errorf("Outputs = %v", err)
	}
	spec := stepsSpec(t)
	spec.Steps = nil
	if _, err := Outputs(t.Context(), &backend{}, spec, nil, t.TempDir(), io.Discard); err == nil {
		t.Error("a build without a step was begun")
	}
}
