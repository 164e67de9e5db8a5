package pack_test

import (
	"errors"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/sparkwheel/sparkwheel/git/pack"
)

// An object's size is that of its content, whether it stands whole or as a
// delta.
func TestSize(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"--window=0"}, {"--window=50", "--depth=20", "--delta-base-offset"}} {
		packed, names := samplePack(t, 2000, options...)
		s, err := pack.Open(indexed(t, packed))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			h := plumbing.NewHash(name)
			_, content, err := s.Read(h)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Size(h); err != nil || got != int64(len(content)) {
				t.Errorf("%s with %v: %d, %v, want %d", h, options, got, err, len(content))
			}
		}
		if _, err := s.Size(plumbing.ZeroHash); !errors.Is(err, pack.ErrNotFound) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
