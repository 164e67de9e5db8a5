package registry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

// After kill -9 in the middle of a chunk the next process goes on where the
// registry stands: it sends the remainder and at most one chunk more. A
// registry that forgets the session (docker-registry 2.8 does when a chunk was
// cut, whoever the client: docs/push-and-copy.md says why) gets the layer once
// more, not more than that. TestRealPushKills does it at random moments.
func TestPushAfterKill(t *testing.T) {
	t.Parallel()
	for kind, start := range map[string]func(testing.TB) string{"strict": strict, "in-process": inProcess, "docker-registry": distribution} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			sessions := t.TempDir()
			f, addr := before(t, start(t), &rule{Match: large, Skip: 2, Times: 1, Do: registrytest.Stall(50)})
			cmd := exec.Command(os.Args[0], "-test.run=^TestPushThatIsKilled$")
			cmd.Env = append(os.Environ(), "PUSH_TO="+addr+"/a/b:v1", "PUSH_SESSIONS="+sessions, "PUSH_SIZE="+strconv.Itoa(layerSize), "PUSH_CHUNK="+strconv.Itoa(chunkSize))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			exited := make(chan error, 1)
			go func() { exited <- cmd.Wait() }()
			for deadline := time.After(time.Minute); f.Received.Load() < 3*chunkSize; {
				select {
				case err := <-exited:
					t.Fatalf("the push ended before it was killed: %v; it asked\n%s", err, f.Requests())
				case <-deadline:
					cmd.Process.Kill()
					t.Fatalf("for a minute, no three chunks arrived; it asked\n%s", f.Requests())
				case <-time.After(10 * time.Millisecond):
				}
			}
			// It waits now for the third chunk's answer.
			cmd.Process.Kill()
			<-exited
			img := fixedImage(t, layerSize)
			c := client(t, registry.Options{Chunk: chunkSize, Sessions: sessions})
			to := tag(t, addr+"/a/b:v1")
			got, err := c.Push(t.Context(), to, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			limit := imageBytes(t, img) - 2*chunkSize - chunkSize/2 + chunkSize
			if kind != "strict" {
				limit = imageBytes(t, img) + chunkSize
			}
			if got.BytesSent > limit {
				t.Errorf("the second push sent %d bytes, at most %d were needed; it asked\n%s", got.BytesSent, limit, f.Requests())
			}
			pulled, err := client(t, registry.Options{}).Pull(t.Context(), to, amd64)
			if err != nil {
				t.Fatal(err)
			}
			readLayer(t, pulled)
			if left, _ := os.ReadDir(sessions); len(left) != 0 {
				t.Errorf("sessions stay behind: %v", left)
			}
		})
	}
}

func fixedImage(t *testing.T, size int) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, fixedLayer(size))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestPushThatIsKilled is the process that TestPushAfterKill and
// TestRealPushKills kill.
func TestPushThatIsKilled(t *testing.T) {
	to := os.Getenv("PUSH_TO")
	if to == "" {
		t.Skip("only as the child of TestPushAfterKill")
	}
	size, err := strconv.Atoi(os.Getenv("PUSH_SIZE"))
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := strconv.ParseInt(os.Getenv("PUSH_CHUNK"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	c := registry.New(registry.Options{Chunk: chunk, Sessions: os.Getenv("PUSH_SESSIONS")})
	c.Push(t.Context(), tag(t, to), fixedImage(t, size), nil)
}

// An upload opened in http by a registry behind a proxy that ends TLS stays in https.
func TestLocationStaysInHTTPS(t *testing.T) {
	t.Parallel()
	inner := newStrict()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(&registrytest.Changed{ResponseWriter: w, Change: func(h http.Header) {
			if l := h.Get("Location"); l != "" {
				h.Set("Location", "http://"+r.Host+l)
			}
		}}, r)
	}))
	t.Cleanup(s.Close)
	conf, err := registry.TLS(pemOf(s.Certificate().Raw))
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, registry.Options{Transport: &http.Transport{TLSClientConfig: conf}, HTTPS: true})
	if _, err := c.Push(t.Context(), tag(t, strings.TrimPrefix(s.URL, "https://")+"/a/b:v1"), image(t, layerSize), nil); err != nil {
		t.Error(err)
	}
}

// A registry that wants large chunks gets them.
func TestPushMinimumChunk(t *testing.T) {
	t.Parallel()
	s := newStrict()
	s.Minimum = layerSize / 2
	f, addr := before(t, serve(t, s))
	img := image(t, layerSize)
	got, err := client(t, registry.Options{Chunk: 1000}).Push(t.Context(), tag(t, addr+"/a/b:v1"), img, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.BytesSent != imageBytes(t, img) {
		t.Errorf("sent %d bytes of %d; it asked\n%s", got.BytesSent, imageBytes(t, img), f.Requests())
	}
}

// Chunks that are quick grow; after a fault they are as small as at first.
func TestPushGrowsChunks(t *testing.T) {
	t.Parallel()
	const chunk = layerSize / 20
	noon := func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
	slow := func() func() time.Time {
		now := noon()
		return func() time.Time { now = now.Add(time.Second); return now }
	}
	longer := func(r *http.Request) bool { return r.Method == http.MethodPatch && r.ContentLength == 4*chunk }
	always, fault := slices.Repeat([]int{1}, 20), []*rule{{Match: longer, Times: 1, Do: status(500)}}
	tests := []struct {
		name  string
		now   func() time.Time
		rules []*rule
		want  []int
	}{
		{"quick", noon, nil, []int{1, 2, 4, 8, 5}},
		{"slow", slow(), nil, always},
		{"without a clock", nil, nil, always},
		{"a fault", noon, fault, append([]int{1, 2, 4}, slices.Repeat([]int{1}, 17)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, addr := before(t, strict(t), tt.rules...)
			c := client(t, registry.Options{Chunk: chunk, Now: tt.now})
			if _, err := c.Push(t.Context(), tag(t, addr+"/a/b:v1"), image(t, layerSize), nil); err != nil {
				t.Fatal(err)
			}
			var got []int
			for line := range strings.Lines(f.Requests()) {
				var from, to int
				if _, err := fmt.Sscanf(line[strings.LastIndexByte(line, ' ')+1:], "%d-%d", &from, &to); err == nil {
					got = append(got, (to-from+1)/chunk)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("chunks of %v, want %v", got, tt.want)
			}
		})
	}
}

// A mount that is refused costs the bytes and not the push.
func TestPushMountRefused(t *testing.T) {
	t.Parallel()
	mount := func(r *http.Request) bool { return r.URL.Query().Get("mount") != "" }
	for _, code := range []int{400, 403, 404, 500} {
		_, addr := before(t, inProcess(t), &rule{Match: mount, Times: -1, Do: status(code)})
		c := client(t, registry.Options{})
		from := tag(t, addr+"/from/a:v1")
		img := image(t, layerSize)
		if _, err := client(t, registry.Options{}).Push(t.Context(), from, img, nil); err != nil {
			t.Fatal(err)
		}
		pulled, err := c.Pull(t.Context(), from, amd64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Push(t.Context(), tag(t, addr+"/to/b:v1"), pulled, nil); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}
