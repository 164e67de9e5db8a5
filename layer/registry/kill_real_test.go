package registry_test

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// distribution3 is the program of a registry by distribution 3, which Debian
// does not have: with a store of files and nothing else it builds in a minute.
const distribution3 = `package main

import (
	"context"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	conf := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": os.Args[2]}}}
	conf.HTTP.Secret = "s"
	conf.Log.Level = "fatal"
	panic(http.ListenAndServe(os.Args[1], handlers.NewApp(context.Background(), conf)))
}
`

const distribution3Module = `module registry

go 1.25

require github.com/distribution/distribution/v3 v3.0.0
`

// startDistribution3 builds that registry from the module proxy and starts it.
func startDistribution3(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": distribution3, "go.mod": distribution3Module} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", "registry", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	return started(t, addr, exec.Command(filepath.Join(dir, "registry"), addr, t.TempDir()))
}

// The faults of TestPushHeals before distribution 3, which keeps what it got.
func TestRealPushHealsDistribution3(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it builds distribution 3 from the module proxy")
	}
	pushHeals(t, startDistribution3(t), true)
}

// What kill -9 at a random moment costs the next push, registry by registry.
func TestRealPushKills(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it builds distribution 3 from the module proxy")
	}
	const size, chunk, kills = 64 << 20, 4 << 20, 8
	for _, kind := range []struct {
		name  string
		start func(*testing.T) string
		keeps bool // what was cut off
	}{
		{"strict", strict, true},
		{"distribution 3.0.0", startDistribution3, true},
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
				for at := rand.Int64N(size * 9 / 10); f.received.Load() < at; {
					select {
					case <-gone:
						t.Fatal("it ended before it was killed")
					case <-time.After(time.Millisecond):
					}
				}
				cmd.Process.Kill()
				<-gone
				received := f.received.Load()
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
					t.Errorf("sent %d bytes, at most %d were needed; it asked\n%s", got.BytesSent, limit, f.requests())
				}
			}
		})
	}
}
