package builder

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/sparkwheel/sparkwheel/wheel/internal/deflate"
)

// Repack writes the wheel from anew as to, with the same members and contents
// and in a form that depends on nothing else: members sorted, .dist-info last
// and RECORD at its end, times 1980-01-01, modes 0644 or 0755, one compressor.
// What globs name (in the form of package doublestar: ** is any number of
// directories) is left out of the archive and of RECORD; it returns how many
// files those are. It streams, and leaves nothing at to when it fails.
func Repack(ctx context.Context, from, to string, globs []string) (left int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("repacking %s: %w", filepath.Base(from), err)
		}
	}()
	if err := checkGlobs(globs); err != nil {
		return 0, err
	}
	r, err := zip.OpenReader(from)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	members, err := canonicalOrder(r.File)
	if err != nil {
		return 0, err
	}
	if members, left, err = leaveOut(members, globs); err != nil {
		return 0, err
	}
	return left, writeCanonical(to, func(w *canonical) error {
		for _, m := range members {
			if err := ctx.Err(); err != nil {
				return err
			}
			write := w.copy
			if left > 0 && strings.HasSuffix(m.Name, ".dist-info/RECORD") && rank(m.Name) > 0 {
				write = func(m *zip.File) error { return w.copyRecord(m, globs) }
			}
			if err := write(m); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		return nil
	})
}

// canonical writes members in a form that depends on nothing but them.
type canonical struct {
	zw    *zip.Writer
	spool *os.File
}

// writeCanonical makes the archive to of the members that fill writes. It
// leaves nothing at to when it fails.
func writeCanonical(to string, fill func(*canonical) error) (err error) {
	dir := filepath.Dir(to)
	out, err := renameio.NewPendingFile(to, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o644))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	spool, err := os.CreateTemp(dir, ".spool-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	w := &canonical{zip.NewWriter(out), spool}
	if err := fill(w); err != nil {
		return err
	}
	if err := w.zw.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(to), err)
	}
	return out.CloseAtomicallyReplace()
}

// canonicalOrder sorts members and leaves directories out.
func canonicalOrder(all []*zip.File) ([]*zip.File, error) {
	var members []*zip.File
	seen := map[string]bool{}
	for _, m := range all {
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		if seen[m.Name] {
			return nil, fmt.Errorf("%s occurs twice", m.Name)
		}
		seen[m.Name] = true
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b *zip.File) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return members, nil
}

// rank puts .dist-info behind all else, as PEP 427 asks, and RECORD behind that.
func rank(name string) int {
	dir, rest, _ := strings.Cut(name, "/")
	switch {
	case !strings.HasSuffix(dir, ".dist-info"):
		return 0
	case !strings.HasPrefix(rest, "RECORD"):
		return 1
	}
	return 2
}

func (w *canonical) copy(m *zip.File) error {
	rc, err := m.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	return w.add(&zip.FileHeader{Name: m.Name, NonUTF8: m.NonUTF8}, m.Mode()&0o111 != 0, rc)
}

// add writes one member with its name in h. Its content is compressed into the
// spool first: sizes known beforehand need no data descriptor, which some
// readers cannot take.
func (w *canonical) add(h *zip.FileHeader, executable bool, content io.Reader) error {
	if err := errors.Join(w.spool.Truncate(0), seekStart(w.spool)); err != nil {
		return err
	}
	compressed := deflate.NewWriter(w.spool)
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(compressed, sum), content)
	if err := errors.Join(err, compressed.Close()); err != nil {
		return err
	}
	size, err := w.spool.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	h.Method, h.ModifiedDate = zip.Deflate, 1<<5|1 //nolint:staticcheck // a raw header is written as it is: Modified would not be looked at
	h.CRC32, h.UncompressedSize64, h.CompressedSize64 = sum.Sum32(), uint64(n), uint64(size)
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	h.SetMode(mode)
	out, err := w.zw.CreateRaw(h)
	if err != nil {
		return err
	}
	if err := seekStart(w.spool); err != nil {
		return err
	}
	_, err = io.Copy(out, w.spool)
	return err
}

func seekStart(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}
