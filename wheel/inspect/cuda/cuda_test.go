package cuda

import (
	"fmt"
	"strings"
	"testing"
)

var gb10 = Target{GPU: GPU{12, 1}, Driver: Version{13, 0}}

func code(t *testing.T, name string, ptx Version) Entry {
	t.Helper()
	a, err := ParseArch(name)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Kind: SASS, Arch: a, Kernels: -1}
	if strings.HasPrefix(name, "compute_") {
		e.Kind, e.PTX = PTX, ptx
	}
	if e.Name() != name {
		t.Errorf("%s is called %s", name, e.Name())
	}
	return e
}

// TestJudge holds the rules against NVIDIA's: which code runs on which GPU.
func TestJudge(t *testing.T) {
	t.Parallel()
	for gpu, want := range map[GPU]string{
		{12, 1}: "sm_121a native, sm_121f native, sm_121 native, sm_120f family, sm_120 family, sm_120a none, sm_122 none, sm_100f none, sm_90 none, sm_90a none, sm_110 none, " +
			"compute_121a ptx, compute_121f ptx, compute_121 ptx, compute_120f ptx, compute_120 ptx, compute_80 ptx, compute_110 ptx, compute_120a none, compute_90a none, compute_100f none, compute_130 none",
		{12, 0}: "sm_120 native, sm_120a native, sm_120f native, sm_121 none, sm_121f none, compute_121 none, compute_120f ptx, compute_75 ptx",
		{9, 0}:  "sm_90a native, sm_90 native, sm_80 none, sm_100 none, compute_90a ptx, compute_90 ptx, compute_80 ptx",
		{10, 3}: "sm_100f family, sm_103f native, sm_100 family, sm_100a none, compute_100f ptx, sm_101f none",
		{8, 9}:  "sm_80 family, sm_86 family, sm_89 native, sm_87 none, sm_75 none",
		{8, 7}:  "sm_87 native, sm_80 none, compute_80 ptx",
	} {
		for one := range strings.SplitSeq(want, ", ") {
			name, verdict, _ := strings.Cut(one, " ")
			if got := (Target{GPU: gpu}).Judge(code(t, name, Version{9, 0})); got.String() != verdict {
				t.Errorf("%s on %s: %s, want %s", name, gpu, got, verdict)
			}
		}
	}
}

// TestPTXVersions holds which driver compiles which PTX against the release
// notes of the PTX ISA.
func TestPTXVersions(t *testing.T) {
	t.Parallel()
	for cuda, ptx := range map[string]string{"11.8": "7.8", "12.0": "8.0", "12.4": "8.4", "12.5": "8.5", "12.6": "8.5", "12.8": "8.7", "12.9": "8.8", "13.0": "9.0", "13.2": "9.2", "14.1": "10.1"} {
		c, err1 := ParseVersion(cuda)
		p, err2 := ParseVersion(ptx)
		if err1 != nil || err2 != nil || c.PTX() != p {
			t.Errorf("CUDA %s compiles PTX %s, want %s", cuda, c.PTX(), ptx)
		}
		if back := p.CUDA(); c.Less(back) || back.PTX() != p {
			t.Errorf("PTX %s needs CUDA %s", ptx, back)
		}
	}
	for _, tt := range []struct {
		driver, ptx Version
		want        Verdict
	}{{Version{13, 0}, Version{9, 2}, PTXTooNew}, {Version{13, 0}, Version{9, 0}, ByPTX}, {Version{13, 2}, Version{9, 2}, ByPTX}, {Version{12, 9}, Version{9, 0}, PTXTooNew}, {Version{}, Version{99, 0}, ByPTX}} {
		if got := (Target{gb10.GPU, tt.driver}).Judge(code(t, "compute_80", tt.ptx)); got != tt.want {
			t.Errorf("PTX %s on a driver of %s: %s, want %s", tt.ptx, tt.driver, got, tt.want)
		}
	}
}

// TestJudgeContainer takes what the driver would take, and says why.
func TestJudgeContainer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ entries, verdict, why string }{
		{"sm_90 sm_120 sm_121a compute_90", "native", "sm_121a code is for exactly this GPU"},
		{"sm_90 sm_120f compute_90", "family", "sm_120f code runs on every GPU of its family from 12.0 on"},
		{"sm_90a sm_80 compute_80", "ptx", "no machine code for it; the driver compiles compute_80 PTX on first use"},
		{"sm_90a sm_100f sm_120a", "none", "cannot run here (sm_90a is for 9.0 only, sm_100f is for another family, sm_120a is for 12.0 only)"},
		{"sm_80 sm_122 compute_90a compute_130", "none", "cannot run here (sm_80 is for GPUs 8.x, sm_122 is for newer GPUs, compute_90a is for 9.0 only, compute_130 is for newer GPUs)"},
		{"", "", "no kernel that a driver would load"},
	} {
		var c Container
		for name := range strings.FieldsSeq(tt.entries) {
			c.Entries = append(c.Entries, code(t, name, Version{9, 0}))
		}
		j := gb10.JudgeContainer(c)
		if got := gb10.Explain(c); j.Verdict.String() != tt.verdict || got != tt.why {
			t.Errorf("%s: %s, %q; want %s, %q", tt.entries, j.Verdict, got, tt.verdict, tt.why)
		}
	}
	c := Container{Entries: []Entry{code(t, "compute_80", Version{9, 2})}}
	if got, want := gb10.Explain(c), "only PTX 9.2 could run, but it needs a driver for CUDA 13.2, and this one has CUDA 13.0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Entries[0].Kernels = 0
	if v := gb10.JudgeContainer(c).Verdict; v != NoCode || !c.Empty() {
		t.Errorf("a container without kernels: %s", v)
	}
	if linked := (Container{Section: "__nv_relfatbin", Entries: []Entry{code(t, "sm_121", Version{})}}); gb10.JudgeContainer(linked).Verdict != NoCode {
		t.Error("code that has to be linked counts as loadable")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"12.1": "12.1", "12.1a": "12.1", "9.0": "9.0", "12.0f": "12.0"} {
		if g, err := ParseGPU(s); err != nil || g.String() != want {
			t.Errorf("%s: %v, %v", s, g, err)
		}
	}
	for _, s := range []string{"", "12", "121", "12.10", "0.1", "12.1aa", "a", "12.-1", "12.1 "} {
		if g, err := ParseGPU(s); err == nil {
			t.Errorf("%q: taken for %v", s, g)
		}
	}
	for _, s := range []string{"", "sm_", "sm_a", "sm_012", "sm_5", "121a", "sm_121b", "compute_-1", "sm_99999999"} {
		if a, err := ParseArch(s); err == nil {
			t.Errorf("%q: taken for %v", s, a)
		}
	}
	for s, want := range map[string]Verdict{"native": Native, "family": Family, "ptx": ByPTX, "none": NoCode, "": NoCode} {
		if v, err := ParseRequirement(s); v != want || (err == nil) != (want != NoCode) {
			t.Errorf("%q: %s, %v", s, v, err)
		}
	}
	if got := fmt.Sprint(Names([]Container{{Entries: []Entry{code(t, "sm_121a", Version{}), code(t, "sm_90", Version{}), code(t, "sm_121", Version{}), code(t, "sm_90", Version{})}}}, SASS)); got != "[sm_90 sm_121 sm_121a]" {
		t.Errorf("names: %s", got)
	}
}
