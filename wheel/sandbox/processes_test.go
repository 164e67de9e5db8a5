package sandbox_test

import (
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func TestDefaultProcesses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		processors int
		memory     int64
		want       int
	}{
		{2, 24 << 30, 1280},   // a small host
		{20, 119 << 30, 3584}, // a GB10
		{192, 1 << 40, 16384}, // a server
		{64, 8 << 30, 2048},   // many processors, little memory
		{2, 1 << 30, 1024},    // never less than a build needs
		{4, 0, 1536},          // memory not known
	} {
		if got := sandbox.DefaultProcesses(test.processors, test.memory); got != test.want {
			t.Errorf("%d processors, %d bytes: %d, want %d", test.processors, test.memory, got, test.want)
		}
	}
}
