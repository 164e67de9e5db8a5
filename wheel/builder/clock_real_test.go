package builder

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// TestRealAnotherTime builds wheels now, and again on a machine whose clock says
// that years have passed. It sets the clock of the whole machine, so that it runs
// only where SPARKWHEEL_SET_CLOCK says that this is wanted: in the virtual
// machine of sandbox's TestRealUbuntu.
func TestRealAnotherTime(t *testing.T) {
	needs(t, realRun)
	if os.Getenv("SPARKWHEEL_SET_CLOCK") == "" {
		t.Skip("sets this machine's clock: set SPARKWHEEL_SET_CLOCK=1 where nothing else depends on it")
	}
	s := openShop(t)
	for name, spec := range map[string]Spec{
		"C extension": extensionSpec(t, s),
		"vllm":        vllmSpec(t, s, s.sdist(t, "vllm", "0.22.1")),
	} {
		t.Run(name, func(t *testing.T) {
			now, err := Wheels(t.Context(), &sandbox.Sandbox{Root: "/"}, spec, t.TempDir(), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			const away = 9 * 365 * 24 * time.Hour
			setClock(t, away)
			defer setClock(t, -away)
			if year := time.Now().Year(); year < 2030 {
				t.Fatalf("the clock says %d", year)
			}
			d, err := Verify(t.Context(), &sandbox.Sandbox{Root: "/", Hostname: "another"}, spec, now[0], t.TempDir(), io.Discard)
			if err != nil || d != nil {
				t.Errorf("nine years later the wheel differs: %v %v", d, err)
			}
		})
	}
}

// setClock moves this machine's clock.
func setClock(t *testing.T, by time.Duration) {
	t.Helper()
	ts := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		t.Fatalf("setting the clock: %v", err)
	}
}
