package truth_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestE2EResolvers asks uv's and pip's resolvers for the wheel beside torch
// 2.11.0: as it was built they refuse, mended they accept.
func TestE2EResolvers(t *testing.T) {
	t.Parallel()
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("set SPARKWHEEL_E2E=1: this test needs the Python index")
	}
	dir := t.TempDir()
	command := func(name string, args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		return string(out), err
	}
	python := filepath.Join(dir, "bin", "python")
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv==0.13.9"},
	} {
		if out, err := command(args[0], args[1:]...); err != nil {
			t.Fatalf("running %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	metadata := "Metadata-Version: 2.1\nName: vllm\nVersion: 0.22.1\nRequires-Dist: torch == 2.10.0\nRequires-Dist: torch<2.11,>=2; python_version > '3'\n"
	links := t.TempDir()
	for _, v := range []string{"2.10.0", "2.11.0"} {
		writeWheel(t, links, "torch", v, "Metadata-Version: 2.1\nName: torch\nVersion: "+v+"\n")
	}
	built := writeWheel(t, t.TempDir(), "vllm", "0.22.1", metadata)
	mended := mend(t, built)
	resolvers := map[string][]string{
		"uv":  {filepath.Join(dir, "bin", "uv"), "pip", "install", "--dry-run", "--no-index", "--offline", "--no-cache", "--python", python, "--find-links", links},
		"pip": {python, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", links},
	}
	for name, args := range resolvers {
		if out, err := command(args[0], append(args[1:], built, "torch==2.11.0")...); err == nil {
			t.Errorf("%s accepts the wheel as built beside torch 2.11.0:\n%s", name, out)
		}
		if out, err := command(args[0], append(args[1:], mended, "torch==2.11.0")...); err != nil || !strings.Contains(out, "2.11.0") {
			t.Errorf("%s refuses the mended wheel beside torch 2.11.0: %v\n%s", name, err, out)
		}
	}
}
