package transport_test

import (
	"os"
	"testing"

	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// The faults of TestPushHeals before distribution 3, which keeps what it got.
func TestRealPushHealsDistribution3(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it builds distribution 3 from the module proxy")
	}
	pushHeals(t, registrytest.Distribution3(t), true)
}
