package wheel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestE2EWidest verifies the wheel with the most members that are read, in the
// memory that any wheel may cost.
func TestE2EWidest(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("set SPARKWHEEL_E2E=1: this test writes 120,000 members")
	}
	path := filepath.Join(t.TempDir(), "x-1.0-py3-none-any.whl")
	many(119_990)(t, path)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVerifyAlone$", "-test.v")
	cmd.Env = append(os.Environ(), "VERIFY_ALONE="+path)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
