package transport_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// real are registries that stand alone, and whether they keep a chunk that was
// cut off.
var real = []struct {
	name  string
	start func(testing.TB) string
	keeps bool
}{
	{"docker-registry 2.8", registrytest.Distribution, false},
	{"distribution 3.0.0", func(t testing.TB) string { return registrytest.Distribution3(t, "v3.0.0") }, true},
	{"cuelabs ociregistry", registrytest.OCIRegistry, false},
}

// Real registries: push, cut within a chunk, go on, pull; and all the faults
// of TestPushHeals.
func TestE2EPushHealsRegistries(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") != "1" {
		t.Skip("set SPARKWHEEL_E2E=1 to run it: it builds registries from Go's modules")
	}
	for _, kind := range real {
		t.Run(kind.name, func(t *testing.T) {
			host := kind.start(t)
			t.Run("cut", func(t *testing.T) { pushIsCut(t, host, kind.keeps) })
			t.Run("faults", func(t *testing.T) { pushHeals(t, host, kind.keeps) })
		})
	}
}

// The same before the newest distribution, which takes another minute to build.
func TestRealPushHealsDistribution(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it builds distribution 3.1.2 from the module proxy")
	}
	host := registrytest.Distribution3(t, "v3.1.2")
	t.Run("cut", func(t *testing.T) { pushIsCut(t, host, true) })
	t.Run("faults", func(t *testing.T) { pushHeals(t, host, true) })
}

// pushIsCut cuts a push at its sixth chunk, in this process and between two.
func pushIsCut(t *testing.T, host string, keeps bool) {
	t.Helper()
	const size, chunk = 24 << 20, 2 << 20
	sessions := t.TempDir()
	img := image(t, size)
	f, addr := before(t, host, &rule{Match: upload("PATCH"), Skip: 5, Times: 1, Do: reset(50)}, &rule{Match: upload("PATCH"), Skip: 8, Times: 1, Do: status(403)})
	to := tag(t, addr+"/team/cut:v1")
	first, err := client(registry.Options{Chunk: chunk, Sessions: sessions}, transport.Options{}).Push(t.Context(), to, img, nil)
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Fatalf("the first push ended with %v, want the 403", err)
	}
	second, err := client(registry.Options{Chunk: chunk, Sessions: sessions}, transport.Options{}).Push(t.Context(), to, img, nil)
	if err != nil {
		t.Fatal(err)
	}
	samePulled(t, to, img)
	limit := int64(size + 3*chunk)
	if !keeps {
		limit = 2*size + chunk
	}
	t.Logf("%d bytes: %d and %d sent", size, first.BytesSent, second.BytesSent)
	if sent := first.BytesSent + second.BytesSent; sent > limit {
		t.Errorf("sent %d bytes in two pushes, at most %d were needed; it asked\n%s", sent, limit, f.Requests())
	}
}
