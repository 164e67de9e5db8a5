package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// TestE2ERepositories makes the real repositories and clones them with git, at
// their upstream addresses.
func TestE2ERepositories(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("asks the Python index for 46 MB; set SPARKWHEEL_E2E=1 to run")
	}
	dir := t.TempDir()
	cache := os.Getenv("SPARKWHEEL_DEMO_CACHE")
	if cache == "" {
		cache = filepath.Join(dir, "cache")
	}
	if err := repositories(t.Context(), &index.Client{}, cache, filepath.Join(dir, "git"), t.Logf); err != nil {
		t.Fatal(err)
	}
	h, err := gitHandler(filepath.Join(dir, "git"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(h)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	for _, p := range projects() {
		clone := filepath.Join(dir, p.sdist)
		run := func(args ...string) string {
			cmd := exec.Command("git", append([]string{"-c", "url.http://" + s.address + "/.insteadOf=" + forge}, args...)...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			return strings.TrimSpace(string(out))
		}
		run("clone", "-q", "--recursive", "--depth", "1", "--shallow-submodules", "-b", p.tag(), forge+p.repository, clone)
		if got := run("-C", clone, "describe", "--tags", "--long"); !strings.HasPrefix(got, p.tag()+"-0-g") {
			t.Errorf("%s: described as %s", p.repository, got)
		}
		if got := run("-C", clone, "submodule", "status"); len(strings.Fields(got)) != 3*len(p.submodules) {
			t.Errorf("%s: submodules are\n%s", p.repository, got)
		}
		if got := run("-C", clone, "status", "--short", "--ignored"); got != "" {
			t.Errorf("%s: the clone differs from its commit:\n%s", p.repository, got)
		}
		t.Logf("%s is %s", p.repository, run("-C", clone, "rev-parse", "HEAD"))
	}
}
