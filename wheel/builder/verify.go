package builder

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// Variation is what a second build does otherwise than the first, without any
// of it being allowed to show in the wheel.
type Variation struct {
	Umask   int    // 0 means 022
	Home    string // below /build; empty means /build/home
	Reverse bool   // fill directories from the last entry to the first
}

// Verify builds spec's wheel again into dir, an empty directory, and compares
// it with the wheel file: with another number of jobs, umask, home directory
// and order of directories, at a later time (by the clock of the host, which
// nothing here sets), and without the compiler cache. r
// should have another host name than the first build's. The result is nil when
// both have the same bytes.
func Verify(ctx context.Context, r Runner, spec Spec, file, dir string, w io.Writer) (*Difference, error) {
	again, err := Wheels(ctx, r, spec.varied(), dir, w)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", filepath.Base(file), err)
	}
	d, err := Compare(ctx, file, again[0])
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", filepath.Base(file), err)
	}
	return d, nil
}

// Again runs spec's Steps as [Outputs] does, under the circumstances of
// [Verify], for the caller to compare what they leave with what they left before.
func Again(ctx context.Context, r Runner, spec Spec, outputs []Output, dir string, w io.Writer) ([]Product, error) {
	return Outputs(ctx, r, spec.varied(), outputs, dir, w)
}

// varied is the build under other circumstances.
func (s Spec) varied() Spec {
	s.CCache = ""
	if s.Jobs > 1 {
		s.Jobs = 1
	} else {
		s.Jobs = 2
	}
	s.Vary = &Variation{Umask: 0o077, Home: "/build/home-of-another", Reverse: true}
	return s
}
