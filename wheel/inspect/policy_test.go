package inspect_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

var gb10 = cuda.Target{GPU: cuda.GPU{Major: 12, Minor: 1}, Driver: cuda.Version{Major: 13}}

// lib is a library with one container for each of the given entries.
func lib(t *testing.T, path string, containers ...[]elftest.Entry) *inspect.File {
	t.Helper()
	var content []byte
	for _, entries := range containers {
		content = append(content, elftest.Container(entries...)...)
	}
	s := inspect.NewScanner(path, inspect.Options{Kernels: true})
	s.Write(elftest.ELF{Fatbin: content}.Bytes())
	s.Again()
	files, err := s.Files()
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return files[0]
}

func cubin(path string, sm int) *inspect.File {
	return &inspect.File{Path: path, Kind: inspect.Cubin, Containers: []cuda.Container{{Entries: []cuda.Entry{{Kind: cuda.SASS, Arch: cuda.Arch{Capability: sm}, Kernels: 1}}}}}
}

// TestPolicy is a product as vLLM is one: family code, PTX, and kernels for
// other GPUs, some of which a recipe excuses.
func TestPolicy(t *testing.T) {
	t.Parallel()
	family := []elftest.Entry{elftest.SASS(90, elftest.Specific, 2), elftest.SASS(120, 0, 2)}
	hopper := []elftest.Entry{elftest.SASS(90, elftest.Specific, 5)}
	datacenter := []elftest.Entry{elftest.SASS(90, elftest.Specific, 1), elftest.SASS(100, elftest.Family, 1)}
	ptx := []elftest.Entry{elftest.SASS(80, 0, 1), elftest.PTX(80, 0, 9, 0)}
	newPTX := []elftest.Entry{elftest.PTX(80, 0, 9, 2)}
	files := []*inspect.File{
		lib(t, "vllm/_C.abi3.so", family, hopper, ptx, []elftest.Entry{elftest.SASS(80, 0, 0)}),
		lib(t, "vllm/fa2.so", ptx), lib(t, "vllm/fa3.so", hopper, hopper), lib(t, "vllm/flashmla.so", datacenter), lib(t, "vllm/marlin.so", newPTX),
		lib(t, "vllm/good.so", []elftest.Entry{elftest.SASS(121, elftest.Specific, 1)}), {Path: "vllm/plain.so", Kind: inspect.Library},
		{Path: "vllm/x.o", Kind: inspect.Object, Containers: cubin("", 90).Containers},
	}
	for _, tt := range []struct {
		require cuda.Verdict
		except  []string
		refused []string
		used    []int
	}{
		{cuda.Native, []string{"vllm:*"}, nil, []int{0}},
		{cuda.ByPTX, nil, []string{
			"vllm/_C.abi3.so none [sm_90a]", "vllm/fa3.so none [sm_90a]", "vllm/flashmla.so none [sm_90a+sm_100f]", "vllm/marlin.so ptx-too-new [compute_80]",
		}, nil},
		{cuda.ByPTX, []string{"*:*#sm_90a*", "vllm:vllm/marlin.so", "vllm:vllm/none.so", "torch:*"}, nil, []int{0, 1}},
		{cuda.ByPTX, []string{"vllm:vllm/fa3.so", "vllm:*#sm_90a+sm_100f", "vllm:*marlin*"}, []string{"vllm/_C.abi3.so none [sm_90a]"}, []int{0, 1, 2}},
		{cuda.Family, []string{"vllm:*#sm_90a*", "vllm:vllm/marlin.so", "vllm:vllm/fa?.so"}, []string{"vllm/_C.abi3.so ptx [sm_80+compute_80]"}, []int{0, 1, 2}},
	} {
		p := inspect.Policy{Target: gb10, Require: tt.require}
		for _, s := range tt.except {
			e, err := inspect.ParseException(s, "a reason")
			if err != nil {
				t.Fatal(err)
			}
			p.Except = append(p.Except, e)
		}
		refused, used := p.Check("vllm", inspect.Found{Files: files})
		var got []string
		for _, r := range refused {
			got = append(got, fmt.Sprintf("%s %s %v", r.Path, r.Verdict, r.Names))
		}
		var numbers []int
		for i := range tt.except {
			if used[i] {
				numbers = append(numbers, i)
			}
		}
		if diff := cmp.Diff(tt.refused, got); diff != "" || !slices.Equal(numbers, tt.used) {
			t.Errorf("%s except %v: used %v, want %v (-want +got):\n%s", tt.require, tt.except, numbers, tt.used, diff)
		}
	}
}

// TestPolicyLoose takes GPU code that lies alone as one choice of the program's.
func TestPolicyLoose(t *testing.T) {
	t.Parallel()
	p := inspect.Policy{Target: gb10, Require: cuda.Family}
	hopper := []*inspect.File{cubin("fi/a/x.cubin", 90), cubin("fi/b/y.cubin", 100)}
	refused, _ := p.Check("flashinfer-cubin", inspect.Found{Files: hopper})
	if len(refused) != 1 || refused[0].Path != "fi/*" || refused[0].Verdict != cuda.None {
		t.Errorf("of other GPUs alone: %v", refused)
	}
	if refused, _ := p.Check("flashinfer-cubin", inspect.Found{Files: append(hopper, cubin("fi/c/z.cubin", 120))}); len(refused) != 0 {
		t.Errorf("with one for the family: %v", refused)
	}
	p.Except = []inspect.Exception{{Distribution: "*", Glob: "fi/*"}}
	if refused, used := p.Check("flashinfer-cubin", inspect.Found{Files: hopper}); len(refused) != 0 || !used[0] {
		t.Errorf("excused: %v", refused)
	}
}

// TestPolicyDamaged refuses what cannot be read.
func TestPolicyDamaged(t *testing.T) {
	t.Parallel()
	found := inspect.Found{Damaged: []*inspect.FileError{{Path: "x.so", Err: errors.New("cut off")}}}
	p := inspect.Policy{Target: gb10, Require: cuda.ByPTX}
	refused, _ := p.Check("x", found)
	if len(refused) != 1 || refused[0].String() != "x: x.so: none: cut off" {
		t.Errorf("%v", refused)
	}
	p.Except = []inspect.Exception{{Distribution: "x", Glob: "x.so"}}
	if refused, _ := p.Check("x", found); len(refused) != 0 {
		t.Errorf("excused: %v", refused)
	}
}

func TestParseException(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "vllm", "vllm:", ":x", "vllm:[", "vllm:x#", "vllm:#sm_90a"} {
		if e, err := inspect.ParseException(s, ""); err == nil {
			t.Errorf("%q: taken for %+v", s, e)
		}
	}
}

// TestJudge says of a mixed library what a person wants to know.
func TestJudge(t *testing.T) {
	t.Parallel()
	f := lib(t, "x.so", []elftest.Entry{elftest.SASS(120, 0, 7)}, []elftest.Entry{elftest.SASS(120, 0, 1)}, []elftest.Entry{elftest.SASS(90, elftest.Specific, 5), elftest.PTX(100, elftest.Specific, 9, 0)})
	all, worst := inspect.JudgeAll([]*inspect.File{f, cubin("a/b.cubin", 121)}, gb10)
	want := []inspect.Judgement{
		{
			Path: "x.so", Verdict: cuda.None, Reason: "of 3 fatbins 2 family, 1 none; the worst: cannot run here (sm_90a is for 9.0 only, compute_100a is for 10.0 only)",
			Containers: map[cuda.Verdict]int{cuda.Family: 2, cuda.None: 1}, Kernels: map[cuda.Verdict]int{cuda.Family: 8, cuda.None: 5},
		},
		{
			Path: "a/*", Verdict: cuda.Native, Reason: "sm_121 code is for exactly this GPU",
			Containers: map[cuda.Verdict]int{cuda.Native: 1}, Kernels: map[cuda.Verdict]int{cuda.Native: 1},
		},
	}
	if diff := cmp.Diff(want, all); diff != "" || worst != cuda.None {
		t.Errorf("worst %s (-want +got):\n%s", worst, diff)
	}
}
