package wheel_test

import (
	"os"
	"strings"
	"testing"
)

// TestFaultsAreDocumented holds the page on fault codes against the codes that
// the hostile wheels have.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../cmd/sparkwheel/docs/wheel-faults.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range hostile {
		for _, code := range tt.want {
			if !strings.Contains(string(page), "`"+code+"`") {
				t.Errorf("%s: the page does not explain %q", tt.name, code)
			}
		}
	}
}
