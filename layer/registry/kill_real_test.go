package registry_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// What kill -9 at a random moment costs the next push, registry by registry.
func TestRealPushKills(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it builds distribution 3 from the module proxy")
	}
	const size, chunk, kills = 64 << 20, 4 << 20, 8
	for _, kind := range []struct {
		name  string
		start func(testing.TB) string
		keeps bool // what was cut off
	}{
		{"strict", strict, true},
		{"distribution 3.0.0", distribution3, true},
		{"docker-registry 2.8", distribution, false},
		{"in-process", inProcess, false},
	} {
		t.Run(kind.name, func(t *testing.T) {
			host := kind.start(t)
			for i := range kills {
				img := fixedImage(t, size+i) // the blob of the round before is there
				sessions := t.TempDir()
				f, addr := before(t, host)
				repo := "/kills/round" + strconv.Itoa(i) + ":v1"
				cmd := exec.Command(os.Args[0], "-test.run=^TestPushThatIsKilled$")
				cmd.Env = append(os.Environ(), "PUSH_TO="+addr+repo, "PUSH_SESSIONS="+sessions, "PUSH_SIZE="+strconv.Itoa(size+i), "PUSH_CHUNK="+strconv.Itoa(chunk))
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					cmd.Wait()
				}()
				for at := rand.Int64N(size * 9 / 10); f.Received.Load() < at; {
					select {
					case <-gone:
						t.Fatal("it ended before it was killed")
					case <-time.After(time.Millisecond):
					}
				}
				cmd.Process.Kill()
				<-gone
				received := f.Received.Load()
				got, err := client(t, registry.Options{Chunk: chunk, Sessions: sessions}).Push(t.Context(), tag(t, addr+repo), img, nil)
				if err != nil {
					t.Fatal(err)
				}
				samePulled(t, tag(t, addr+repo), img)
				rest := max(0, imageBytes(t, img)-received)
				t.Logf("killed after %d bytes: the next push sent %d, the remainder and %d", received, got.BytesSent, got.BytesSent-rest)
				limit := rest + chunk
				if !kind.keeps {
					limit = imageBytes(t, img) + chunk
				}
				if got.BytesSent > limit+64<<10 {
					t.Errorf("sent %d bytes, at most %d were needed; it asked\n%s", got.BytesSent, limit, f.Requests())
				}
			}
		})
	}
}

func distribution3(t testing.TB) string { return registrytest.Distribution3(t, "v3.0.0") }
