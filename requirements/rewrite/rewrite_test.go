package rewrite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
)

// spark is what the spark recipe says of vLLM's requirements.
var spark = rewrite.Rules{
	Files: []string{"requirements/**", "pyproject.toml"},
	Rules: []requirements.Rule{
		{Drop: "flashinfer"}, {Drop: "flashinfer-*"}, {Drop: "triton"}, {Drop: "fastsafetensors"},
		{Pin: "torch", To: "==2.12.0"}, {Pin: "torchvision", To: "==0.27.0"}, {Pin: "torchaudio", To: "==2.12.0"},
	},
}

func tree(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestTree(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"requirements/cuda.txt": strings.Join([]string{
			"-r common.txt",
			"-r ../extra/more.list",
			"torch == 2.10.0  # as PyTorch says",
			"triton-kernels==1.0",
			"Triton \\",
			"  --hash=sha256:00 \\",
			"  --hash=sha256:11",
			"# FlashInfer goes with the Dockerfile",
			"flashinfer_python==0.6.4 # gone",
			"",
		}, "\n"),
		"requirements/common.txt":  "numpy\n",
		"requirements/README.md":   "not a requirement file\n",
		"requirements/sub/test.in": "fastsafetensors>=0.2\r\ntorchvision\r\n",
		"extra/more.list":          "flashinfer\n",
		"other.txt":                "triton\n",
		"pyproject.toml":           "[build-system]\nrequires = [\n  'torch==2.10.0', # keep\n  \"triton\",\n]\n",
	})
	got, err := rewrite.Tree(root, spark)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{
		"requirements/cuda.txt": []byte("-r common.txt\n-r ../extra/more.list\ntorch == 2.12.0  # as PyTorch says\n" +
			"triton-kernels==1.0\n# FlashInfer goes with the Dockerfile\n"),
		"requirements/sub/test.in": []byte("torchvision==0.27.0\r\n"),
		"extra/more.list":          []byte(""),
		"pyproject.toml":           []byte("[build-system]\nrequires = [\n  'torch==2.12.0', # keep\n]\n"),
	}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	changes := []requirements.Change{
		{File: "extra/more.list", Line: 1, Before: "flashinfer", After: "", Rule: "drop flashinfer"},
		{File: "pyproject.toml", Line: 3, Before: "torch==2.10.0", After: "torch==2.12.0", Rule: "pin torch==2.12.0"},
		{File: "pyproject.toml", Line: 4, Before: "triton", After: "", Rule: "drop triton"},
		{File: "requirements/cuda.txt", Line: 3, Before: "torch == 2.10.0  # as PyTorch says", After: "torch == 2.12.0  # as PyTorch says", Rule: "pin torch==2.12.0"},
		{File: "requirements/cuda.txt", Line: 5, Before: "Triton \\\n  --hash=sha256:00 \\\n  --hash=sha256:11", After: "", Rule: "drop triton"},
		{File: "requirements/cuda.txt", Line: 9, Before: "flashinfer_python==0.6.4 # gone", After: "", Rule: "drop flashinfer-*"},
		{File: "requirements/sub/test.in", Line: 1, Before: "fastsafetensors>=0.2", After: "", Rule: "drop fastsafetensors"},
		{File: "requirements/sub/test.in", Line: 2, Before: "torchvision", After: "torchvision==0.27.0", Rule: "pin torchvision==0.27.0"},
	}
	if diff := cmp.Diff(changes, got.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"pin torchaudio==2.12.0"}, got.Unmatched); diff != "" {
		t.Errorf("unmatched (-want +got):\n%s", diff)
	}
	if err := got.Write(root); err != nil {
		t.Fatal(err)
	}
	again, err := rewrite.Tree(root, spark)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Files) > 0 || len(again.Changes) > 0 {
		t.Errorf("a second rewriting changes %v", again.Changes)
	}
}
