package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// BenchmarkDoHit finds a wheel of 64 MiB, and a tree of 5,000 files.
func BenchmarkDoHit(b *testing.B) {
	for name, fill := range map[string]func(dir string) error{
		"wheel": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a.whl"), bytes.Repeat([]byte("0123456789abcdef"), 4<<20), 0o644)
		},
		"tree": func(dir string) error {
			for i := range 5000 {
				if err := writes(fmt.Sprintf("%02d/%d.py", i%50, i), "import this\n")(dir); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := store.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			key := store.NewHash(name).Key()
			if _, _, err := s.Do(b.Context(), store.Stage, key, fill); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, hit, err := s.Do(b.Context(), store.Stage, key, notCalled); !hit || err != nil {
					b.Fatalf("hit %v, %v", hit, err)
				}
			}
		})
	}
}
