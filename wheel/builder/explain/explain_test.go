package explain

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var number = regexp.MustCompile(`-\d+$`)

func TestEachSignatureIsFoundInALog(t *testing.T) {
	t.Parallel()
	logs, err := txtar.ParseFile("testdata/logs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range logs.Files {
		want := number.ReplaceAllString(f.Name, "")
		seen[want] = true
		got := findings(f.Data)
		if want == "none" {
			if len(got) != 0 {
				t.Errorf("%s: found %+v", f.Name, got)
			}
			continue
		}
		if len(got) == 0 || got[0].ID != want {
			t.Errorf("%s: found %+v", f.Name, got)
			continue
		}
		if text := got[0].Cause; text == "" || strings.Contains(text, "$") {
			t.Errorf("%s: says %q", f.Name, text)
		}
	}
	for _, sig := range signatures {
		if !seen[sig.id] {
			t.Errorf("no log shows %s", sig.id)
		}
	}
}

// The problems that users of these builds met most, by what was reported of
// each. Those that show in no log of a build are not here: that nothing is
// pinned, that an old wheel is taken for a new one, that copies hang or send all
// again, and that a cluster is not found.
func TestEachReportedProblemIsExplained(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, sig := range signatures {
		known[sig.id] = true
	}
	for reported, id := range map[string]string{
		"torch resolved anew from the public index": "missing-torch-cuda", "wheel built against another torch": "undefined-torch-symbol",
		"published wheels lack sm_121": "no-kernel-image", "12.1a folded to 12.0": "wrong-arch", "CUTLASS on GB10": "cutlass-internal",
		"Triton's old ptxas": "ptxas-too-old", "CUDA 12 wheel on a CUDA 13 base": "cuda-major-mismatch", "build killed": "out-of-memory",
		"cubins refused by their server": "cubin-download", "provider and shim": "flashinfer-shim-build", "two versions left in a directory": "conflicting-urls",
		"patch for another ref": "patch-failed", "no wheel for aarch64 that day": "no-matching-wheel", "download dies half way": "download-cut",
		"30 s for 500 MB": "download-timeout", "no network inside a build": "network-in-build", "driver older than the base needs": "driver-too-old",
		"NCCL shadowed": "nccl-mismatch", "image without flashinfer": "missing-module", "FlashInfer's three versions differ": "flashinfer-versions",
		"a dependency moved overnight": "no-solution",
	} {
		if !known[id] {
			t.Errorf("%s: no signature %s", reported, id)
		}
	}
}

func TestFindingsNameWhatTheLogNames(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"fatal error: numa.h: No such file or directory":              "numa.h",
		"x.c:1: fatal error: Python.h: No such file or directory":     "python3-dev",
		"curl: (6) Could not resolve host: edge.urm.nvidia.com":       "edge.urm.nvidia.com",
		"Caused by: https://pypi.example/simple/x: dns error: failed": "pypi.example",
		"ModuleNotFoundError: No module named 'setuptools_rust'":      "setuptools_rust",
	} {
		got := findings([]byte(log))
		if len(got) != 1 || !strings.Contains(got[0].Cause+got[0].Subject+got[0].Package, want) {
			t.Errorf("%s: found %+v, want %q in it", log, got, want)
		}
	}
}

func TestScannerTakesAnyCut(t *testing.T) {
	t.Parallel()
	log := "a\nnvcc fatal   : Unsupported gpu architecture 'compute_121a'\r\n" + strings.Repeat("x", 3*maxLine) + "\nstd::bad_alloc"
	var s Scanner
	for i := range len(log) {
		if n, err := s.Write([]byte{log[i]}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for range 2 {
		got := s.Findings()
		if len(got) != 2 || got[0].ID != "nvcc-too-old" || got[1].ID != "out-of-memory" {
			t.Errorf("found %+v", got)
		}
	}
}

func BenchmarkScanner(b *testing.B) {
	line := []byte("[812/1402] Building CUDA object CMakeFiles/_C.dir/csrc/quantization/w8a8/cutlass/scaled_mm_c3x_sm120.cu.o\n")
	var s Scanner
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		s.Write(line)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("Killed\n"), 3)
	f.Fuzz(func(t *testing.T, log []byte, cut int) {
		cut = min(max(cut, 0), len(log))
		var s Scanner
		s.Write(log[:cut])
		s.Write(log[cut:])
		if a, b := s.Findings(), findings(log); len(a) != len(b) {
			t.Errorf("%d findings of two writes, %d of one", len(a), len(b))
		}
	})
}

func findings(log []byte) []Finding {
	var s Scanner
	s.Write(log)
	return s.Findings()
}
