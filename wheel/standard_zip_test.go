package wheel_test

import (
	"archive/zip"
	"errors"
	"io"
	"slices"
	"testing"
)

// ofArchive are the codes of faults that a reader of zip files, and not of
// wheels, must find.
var ofArchive = []string{
	"archive", "archive-comment", "bomb", "compression-method", "crc", "data-descriptor", "encrypted", "entry-count", "extra-field", "hidden-bytes",
	"inflate", "local-header", "multi-disk", "name-encoding", "overlap", "size", "trailing-bytes", "zip64",
}

// TestStandardReaderTakesHostileArchives shows why package zip is our own: the
// standard library reads most of the hostile archives to their end.
func TestStandardReaderTakesHostileArchives(t *testing.T) {
	t.Parallel()
	var all, taken int
	for _, tt := range hostile {
		if !slices.ContainsFunc(tt.want, func(code string) bool { return slices.Contains(ofArchive, code) }) {
			continue
		}
		all++
		w := sound()
		tt.change(t, w)
		if err := readStandard(w.Write(t, t.TempDir())); err == nil {
			taken++
		}
	}
	t.Logf("archive/zip reads %d of %d hostile archives without an error", taken, all)
	if all < 40 || taken < all/2 {
		t.Errorf("archive/zip reads %d of %d hostile archives: is our own reader still needed?", taken, all)
	}
}

func readStandard(path string) (err error) {
	r, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, f := range r.File {
		c, err := f.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, c)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}
