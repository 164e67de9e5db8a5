package registry_test

import (
	"io"
	"log"
	"testing"

	"github.com/google/go-cmp/cmp"
	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// withReferrers is the in-process registry with the referrers API.
func withReferrers(t testing.TB) string {
	t.Helper()
	return serve(t, ggcr.New(ggcr.WithReferrersSupport(true), ggcr.Logger(log.New(io.Discard, "", 0))))
}

// With the referrers API and with the fallback tag: what is attached is found
// again, once, however often it was attached.
func TestAttach(t *testing.T) {
	t.Parallel()
	starts := map[string]func(testing.TB) string{
		"fallback tag": inProcess, "docker-registry": distribution, "referrers": withReferrers,
	}
	for kind, start := range starts {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := client(t, registry.Options{})
			pushed, err := c.Push(t.Context(), tag(t, start(t)+"/team/app:v1"), image(t, 100), nil)
			if err != nil {
				t.Fatal(err)
			}
			const provenance = "application/vnd.in-toto+json"
			body := []byte(`{"_type":"statement"}`)
			var got []string
			for range 2 {
				d, err := c.Attach(t.Context(), pushed.Digest, provenance, body)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, d.DigestStr())
			}
			if _, err := c.Attach(t.Context(), pushed.Digest, "text/plain", []byte("note")); err != nil {
				t.Fatal(err)
			}
			list, err := c.Referrers(t.Context(), pushed.Digest, "")
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 2 {
				t.Errorf("listed are %v, want two", list)
			}
			if kind != "referrers" { // go-containerregistry's API tells the configuration's type in place of the artifact's
				list, err = c.Referrers(t.Context(), pushed.Digest, provenance)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) != 1 || list[0].Digest.String() != got[0] || got[0] != got[1] {
					t.Errorf("listed are %v, attached were %v", list, got)
				}
			}
			read, err := c.Attached(t.Context(), pushed.Digest.Context().Digest(got[0]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(body), string(read)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
