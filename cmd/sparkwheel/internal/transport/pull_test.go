package transport_test

import (
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

func TestPullHeals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		rules   func() []*rule
		resumes bool // the layer was under way
	}{
		{"burst of 503", burst(503), false},
		{"429", one(anything, 429, "Retry-After", "3"), false},
		{"reset at 10 % of a blob", strike(blob, cutAnswer(10)), false},
		{"reset at 60 % of a blob", later(1, blob, cutAnswer(60)), true},
		{"reset at 99 % of a blob", later(1, blob, cutAnswer(99)), true},
		{"silence before the answer", strike(blob, silence(0)), false},
		{"silence within a blob", later(1, blob, stalledAnswer), true},
		{"500 on a blob", later(1, blob, status(500)), false},
	}
	for kind, start := range map[string]func(testing.TB) string{"in-process": inProcess, "docker-registry": distribution} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			upstream := start(t)
			img := image(t, layerSize)
			if _, err := client(registry.Options{}, transport.Options{}).Push(t.Context(), tag(t, upstream+"/a/b:v1"), img, nil); err != nil {
				t.Fatal(err)
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					f, addr := before(t, upstream, tt.rules()...)
					c := client(registry.Options{Attempts: 10}, transport.Options{Idle: time.Second, Attempts: 10})
					got, err := c.Pull(t.Context(), tag(t, addr+"/a/b:v1"), amd64)
					if err != nil {
						t.Fatal(err)
					}
					readLayer(t, got, 0)
					// What was cut within the layer goes on there; only the first answer began at its start.
					if whole := f.Whole.Load(); tt.resumes && whole != 2 {
						t.Errorf("%d blobs were asked for from their start, want the configuration and the layer once each", whole)
					}
				})
			}
		})
	}
}
