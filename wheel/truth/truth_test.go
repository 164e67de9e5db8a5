package truth_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

var gx10 = marker.Linux("3.12.3", "aarch64")

func parse(t *testing.T, s string) version.Version {
	t.Helper()
	v, err := version.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// dist makes a distribution: "name version", then what it requires.
func dist(t *testing.T, what string, requires ...string) truth.Distribution {
	t.Helper()
	name, v, _ := strings.Cut(what, " ")
	d := truth.Distribution{Name: requirements.Normalize(name), Version: parse(t, v)}
	for _, text := range requires {
		r, err := requirements.ParseRequirement(text)
		if err != nil {
			t.Fatal(err)
		}
		d.Requires = append(d.Requires, r)
	}
	return d
}

func TestBuilt(t *testing.T) {
	t.Parallel()
	vllm := dist(t, "vllm 0.22.1",
		"numpy", "torch==2.10.0", "torchvision==0.25.0; extra == 'audio'", "triton==1; platform_machine == 'x86_64'",
		"torchaudio @ https://h/torchaudio.whl", "ninja>=1",
	)
	vllm.Origin = "vllm-0.22.1-py3-none-any.whl"
	vllm.Extras = []requirements.Name{"audio"}
	used := []truth.Used{
		{Name: "torch", Version: parse(t, "2.11.0+cu130"), Origin: "shim", Asked: []string{"requirements/cuda.txt:6"}},
		{Name: "torchvision", Version: parse(t, "0.26.0")},
		{Name: "torchaudio", Version: parse(t, "2.11.0")},
		{Name: "triton", Version: parse(t, "3.0")},
		{Name: "ninja", Version: parse(t, "1.13.0")},
	}
	want := []truth.Fault{{
		Code: truth.CodeBuiltAgainst, Distribution: "vllm", Requirement: "torch==2.10.0", Name: "torch",
		Message: "vllm 0.22.1 (vllm-0.22.1-py3-none-any.whl) requires torch==2.10.0 (required by the source in requirements/cuda.txt:6), but was built against torch 2.11.0+cu130 (shim)",
		Pin:     "==2.11.0",
	}, {
		Code: truth.CodeBuiltAgainst, Distribution: "vllm", Requirement: `torchvision==0.25.0; extra == "audio"`, Name: "torchvision",
		Message: `vllm 0.22.1 (vllm-0.22.1-py3-none-any.whl) requires torchvision==0.25.0; extra == "audio", but was built against torchvision 0.26.0`,
		Pin:     "==0.26.0",
	}}
	if diff := cmp.Diff(want, truth.Built(vllm, used, gx10)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	honest := dist(t, "vllm 0.22.1", "torch==2.11.0", "torch!=2.10.*")
	if got := truth.Built(honest, used, gx10); got != nil {
		t.Errorf("an honest wheel has faults: %v", got)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	old := dist(t, "old 1")
	old.RequiresPython, _ = version.ParseSpecifiers("<3.10")
	set := []truth.Distribution{
		dist(t, "vllm 0.22.1", "torch==2.10.0", "ray[cgraph]>=2.48", "numpy", "lark; python_version < '3.9'", "six @ https://h/six.whl"),
		dist(t, "torch 2.11.0+cu130", "setuptools; python_version >= '3.12'"),
		dist(t, "ray 2.50", "cupy==13; extra == 'cgraph'", "grpcio; extra == 'other'", "click[x]; extra == 'cgraph'"),
		dist(t, "click 8", "colorama<1; extra == 'x'"),
		dist(t, "colorama 1.0"),
		dist(t, "numpy 2.0", "odd; os_name ~= 'posix'"),
		dist(t, "numpy 1.0", "torch==0.1"), // hidden by the numpy before it
		dist(t, "six 1.0"),
		old,
	}
	j := truth.Image(set, gx10, truth.Options{Allow: []requirements.Name{"colorama", "nothing"}})
	codes := func(faults []truth.Fault) []string {
		var list []string
		for _, f := range faults {
			list = append(list, f.Code+": "+string(f.Distribution)+" requires "+f.Requirement)
		}
		return list
	}
	want := []string{
		`marker-without-meaning: numpy requires odd; os_name ~= "posix"`,
		"python-version: old requires python<3.10",
		"version-conflict: vllm requires torch==2.10.0",
	}
	if diff := cmp.Diff(want, codes(j.Faults)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	want = []string{
		`requirement-missing: ray requires cupy==13; extra == "cgraph"`,
		`requirement-missing: torch requires setuptools; python_version >= "3.12"`,
	}
	if diff := cmp.Diff(want, codes(j.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`version-conflict: click requires colorama<1; extra == "x"`}, codes(j.Allowed)); diff != "" {
		t.Errorf("allowed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]requirements.Name{"nothing"}, j.Unneeded); diff != "" {
		t.Errorf("unneeded (-want +got):\n%s", diff)
	}
	complete := truth.Image(set, gx10, truth.Options{Complete: true})
	if len(complete.Faults) != 6 || len(complete.Warnings) != 0 {
		t.Errorf("of a complete image there are %d faults and %d warnings, want 6 and 0", len(complete.Faults), len(complete.Warnings))
	}
	message := `checking the requirements of the image: 1 fault
  b 1 requires a==2, but the image has a 1 [version-conflict]`
	err := truth.Image([]truth.Distribution{dist(t, "a 1"), dist(t, "b 1", "a==2")}, gx10, truth.Options{}).Err("the image")
	if err == nil || err.Error() != message {
		t.Errorf("got %v\nwant %s", err, message)
	}
	if err := truth.Image([]truth.Distribution{dist(t, "a 1"), dist(t, "b 1", "a==1")}, gx10, truth.Options{}).Err("the image"); err != nil {
		t.Error(err)
	}
}

func TestImageRoots(t *testing.T) {
	t.Parallel()
	root, err := requirements.ParseRequirement("vllm[audio]")
	if err != nil {
		t.Fatal(err)
	}
	set := []truth.Distribution{dist(t, "vllm 1", "librosa; extra == 'audio'")}
	if j := truth.Image(set, gx10, truth.Options{}); len(j.Warnings) != 0 {
		t.Errorf("nobody asks for the extra, and there are warnings: %v", j.Warnings)
	}
	if j := truth.Image(set, gx10, truth.Options{}, root); len(j.Warnings) != 1 {
		t.Errorf("with vllm[audio] there are %d warnings, want 1", len(j.Warnings))
	}
}

func TestConstraints(t *testing.T) {
	t.Parallel()
	set := []truth.Distribution{dist(t, "Torch 2.11.0+cu130"), dist(t, "a_b 1.0"), dist(t, "torch 2.10.0")}
	if diff := cmp.Diff("a-b==1.0\ntorch==2.11.0+cu130\n", truth.Constraints(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
