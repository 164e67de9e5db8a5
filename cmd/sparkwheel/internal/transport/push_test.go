package transport_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

const (
	layerSize = 5 << 18
	chunkSize = 1 << 18
)

// healed are the faults that a push heals, and how many bytes beyond the image
// it may send: resuming to a registry that keeps what it got (the chunk that
// was cut, and one more where the registry still took in the cut one when it
// was asked how much it has), and forgets to one that begins anew.
var healed = func() []fault {
	const chunk, layer = chunkSize, layerSize
	return []fault{
		{"burst of 500", burst(500), 3 * chunk, 3 * chunk},
		{"burst of 502", burst(502), 3 * chunk, 3 * chunk},
		{"burst of 503", burst(503), 3 * chunk, 3 * chunk},
		{"429 with seconds", one(anything, 429, "Retry-After", "7"), chunk, chunk},
		{"reset at 10 % of a chunk", strike(large, reset(10)), 2 * chunk, layer + 2*chunk},
		{"reset at 60 % of a chunk", strike(large, reset(60)), 2 * chunk, layer + 2*chunk},
		{"reset at 99 % of a chunk", strike(large, reset(99)), 2 * chunk, layer + 2*chunk},
		{"reset of the third chunk", later(2, large, reset(60)), 2 * chunk, layer + 2*chunk},
		{"silence before the answer to POST", strike(upload("POST"), silence(0)), 0, 0},
		{"silence before the answer to PUT", strike(upload("PUT"), silence(0)), 2 * chunk, layer + 2*chunk},
		{"silence within a chunk", strike(large, silence(40)), 2 * chunk, layer + 2*chunk},
		{"silence after a chunk", later(1, large, silence(100)), 2 * chunk, layer + 2*chunk},
		{"answer to a chunk lost", later(1, large, lost), 2 * chunk, layer + 2*chunk},
		{"answer to the commit lost", strike(upload("PUT"), lost), 2 * chunk, layer + 2*chunk},
		{"answer to the manifest lost", strike(method("PUT"), lost), 2 * chunk, layer + 2*chunk},
		{"session unknown", later(1, large, status(404)), layer, layer},
		{"416 once", later(1, large, status(416)), 2 * chunk, layer + 2*chunk},
		{"416 always: no chunks here", always(chunks, status(416)), chunk + layer, chunk + layer},
		{"405 on PATCH: one PUT", always(upload("PATCH"), status(405)), 2 * layer, 2 * layer},
		{"413: smaller chunks", always(tooLarge, status(413)), 2 * chunk, 2 * chunk},
		{"400 on a commit", strike(upload("PUT"), status(400)), layer, layer},
	}
}()

type fault struct {
	name              string
	rules             func() []*rule
	resuming, forgets int64
}

// Each fault is put before each registry.
func TestPushHeals(t *testing.T) {
	t.Parallel()
	for kind, start := range map[string]func(testing.TB) string{"strict": strict, "in-process": inProcess, "docker-registry": distribution} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			pushHeals(t, start(t), kind == "strict")
		})
	}
}

func pushHeals(t *testing.T, host string, resumes bool) {
	t.Helper()
	for _, tt := range healed {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img := image(t, layerSize, 1000)
			f, addr := before(t, host, tt.rules()...)
			to := tag(t, addr+"/faults/"+slug(t)+":v1")
			how := transport.Options{Attempts: 10}
			if strings.HasPrefix(tt.name, "silence") {
				how.Idle, how.Finish = 500*time.Millisecond, 500*time.Millisecond
			}
			c := client(registry.Options{Chunk: chunkSize, Jobs: 1, Attempts: 10}, how)
			got, err := c.Push(t.Context(), to, img, nil)
			if err != nil {
				t.Fatal(err)
			}
			samePulled(t, to, img)
			size := imageBytes(t, img)
			extra := tt.resuming
			if !resumes {
				extra = tt.forgets
			}
			// The transport's and the kernel's buffers hold what was handed over and never read.
			if limit := size + extra + 64<<10; got.BytesSent > limit {
				t.Errorf("sent %d bytes of an image of %d, at most %d were needed; it asked\n%s", got.BytesSent, size, limit, f.Requests())
			}
			if got.BytesSent < f.Received.Load() {
				t.Errorf("counted %d bytes, the registry received %d", got.BytesSent, f.Received.Load())
			}
		})
	}
}

func says(words string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), words) }
}

// Faults that nothing heals end in an error that says what it is, and the tag stays.
func TestPushNamesTheFault(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		rules func() []*rule
		check func(error) bool
	}{
		{"503 for ever", always(upload("POST"), status(503)), is[*registry.StatusError]},
		{"reset for ever", always(large, reset(10)), is[*registry.GiveUpError]},
		{"silence for ever", always(upload("POST"), silence(0)), is[*transport.StalledError]},
		{"refused", always(upload("POST"), status(403)), is[*registry.StatusError]},
		{"unauthorized without a challenge", always(upload("POST"), status(401)), is[*registry.StatusError]},
		{"wait for a day", always(upload("POST"), status(429, "Retry-After", "86400")), says("Retry-After: 86400")},
		{"no Location", always(upload("POST"), status(202)), is[*registry.LocationError]},
		{"Location of another protocol", always(upload("POST"), status(202, "Location", "ftp://example.com/x")), is[*registry.LocationError]},
		{"Location that is no URL", always(upload("POST"), status(202, "Location", "http://[")), is[*registry.LocationError]},
		{"Location that leads nowhere", always(upload("POST"), status(202, "Location", "/nowhere")), is[*registry.StatusError]},
		{"another digest stored", always(upload("PUT"), answerWith(func(h http.Header) {
			h.Set("Docker-Content-Digest", "sha256:0000000000000000000000000000000000000000000000000000000000000000")
		})), is[*registry.DigestError]},
		{"a digest that is none", always(upload("PUT"), answerWith(func(h http.Header) { h.Set("Docker-Content-Digest", "sha256:short") })), is[*registry.DigestError]},
		{"manifest refused", always(manifestPut, status(400)), is[*registry.StatusError]},
		{"another manifest read back", always(manifestGet, func(_ *registrytest.Faults, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Write([]byte(`{"schemaVersion":2}`))
		}), is[*registry.DigestError]},
		{"blob of another size there", always(method("HEAD"), status(200, "Content-Length", "5")), is[*registry.SizeError]},
	}
	host := inProcess(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			repo := "/faults/" + slug(t) + ":v1"
			old := image(t, 10)
			if _, err := client(registry.Options{}, transport.Options{}).Push(t.Context(), tag(t, host+repo), old, nil); err != nil {
				t.Fatal(err)
			}
			_, addr := before(t, host, tt.rules()...)
			c := client(registry.Options{Chunk: chunkSize, Attempts: 3}, transport.Options{Idle: 200 * time.Millisecond, Attempts: 3})
			_, err := c.Push(t.Context(), tag(t, addr+repo), image(t, layerSize), nil)
			if err == nil || !tt.check(err) {
				t.Errorf("got %v", err)
			}
			samePulled(t, tag(t, host+repo), old)
		})
	}
}

// The registry's wish to wait is followed, in both of its forms, and the user
// hears of it.
func TestPushWaitsAsAsked(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, header := range map[string][]string{
		"seconds": {"Retry-After", "17"},
		"date":    {"Retry-After", date.Add(17 * time.Second).Format(http.TimeFormat), "Date", date.Format(http.TimeFormat)},
	} {
		for _, verb := range []string{"POST", "PATCH"} { // the second has a body that cannot be sent again
			t.Run(name+" "+verb, func(t *testing.T) {
				t.Parallel()
				_, addr := before(t, strict(t), &rule{Match: upload(verb), Times: 1, Do: status(429, header...)})
				var waits []time.Duration
				var told []string
				c := client(registry.Options{Jobs: 1, Chunk: chunkSize}, transport.Options{
					Now:    func() time.Time { return date },
					Jitter: func(time.Duration) time.Duration { return 0 },
					Sleep: func(_ context.Context, d time.Duration) error {
						waits = append(waits, d)
						return nil
					},
					Notice: func(_ context.Context, n transport.Notice) { told = append(told, n.String()) },
				})
				_, err := c.Push(t.Context(), tag(t, addr+"/a/b:v1"), image(t, layerSize), func(p registry.BlobProgress) {
					if p.Fault != nil {
						told = append(told, p.Fault.Error())
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(told) != 1 || !strings.Contains(told[0], "429 Too Many Requests") {
					t.Errorf("told of %q, want of the 429", told)
				}
				// With a clock that stands still every request after the 429 waits.
				if slices.ContainsFunc(waits, func(d time.Duration) bool { return d != 17*time.Second }) || len(waits) == 0 {
					t.Errorf("waited %v, want 17s", waits)
				}
			})
		}
	}
}

// A cancelled push ends with the context's error, wherever it waits.
func TestPushIsCancelled(t *testing.T) {
	t.Parallel()
	_, addr := before(t, inProcess(t), &rule{Match: large, Times: -1, Do: silence(50)})
	ctx, cancel := context.WithCancel(t.Context())
	c := client(registry.Options{Chunk: chunkSize}, transport.Options{})
	_, err := c.Push(ctx, tag(t, addr+"/a/b:v1"), image(t, layerSize), func(p registry.BlobProgress) {
		if p.Done > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
}
