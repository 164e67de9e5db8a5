package truth

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/internal/deflate"
)

// maxMetadata bounds METADATA and RECORD, which alone are held in memory.
const maxMetadata = 64 << 20

// Mend writes the wheel from to to with its METADATA repaired (see Repair) and
// RECORD to match; all other members are copied as they are compressed, in their
// order. The changes are what to record and to tell: they name METADATA's path.
// A signed wheel is refused. To may be from; when it fails, to is as it was.
func Mend(ctx context.Context, from, to string, faults []Fault, used []Used) (changes []requirements.Change, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("repairing %s: %w", filepath.Base(from), err)
		}
	}()
	r, err := zip.OpenReader(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	replaced, changes, err := mended(r.File, faults, used)
	if err != nil {
		return nil, err
	}
	out, err := renameio.NewPendingFile(to, renameio.WithTempDir(filepath.Dir(to)), renameio.WithStaticPermissions(0o644))
	if err != nil {
		return nil, err
	}
	defer out.Cleanup()
	if err := copyMembers(ctx, out, r.File, replaced); err != nil {
		return nil, err
	}
	return changes, out.CloseAtomicallyReplace()
}

// mended makes the new contents, by member.
func mended(members []*zip.File, faults []Fault, used []Used) (map[string][]byte, []requirements.Change, error) {
	var metadata, record *zip.File
	for _, m := range members {
		dir, file, _ := strings.Cut(m.Name, "/")
		if !strings.HasSuffix(dir, ".dist-info") {
			continue
		}
		switch file {
		case "METADATA":
			metadata = m
		case "RECORD":
			record = m
		case "RECORD.jws", "RECORD.p7s":
			return nil, nil, fmt.Errorf("it is signed (%s), and a change would break the signature", m.Name)
		}
	}
	if metadata == nil || record == nil {
		return nil, nil, errors.New("its METADATA or RECORD is missing")
	}
	before, err := read(metadata)
	if err != nil {
		return nil, nil, err
	}
	after, changes, err := Repair(metadata.Name, before, faults, used)
	if err != nil {
		return nil, nil, err
	}
	rows, err := read(record)
	if err != nil {
		return nil, nil, err
	}
	rows, err = RepairRecord(rows, metadata.Name, after)
	if err != nil {
		return nil, nil, err
	}
	return map[string][]byte{metadata.Name: after, record.Name: rows}, changes, nil
}

func read(m *zip.File) ([]byte, error) {
	rc, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	content, err := io.ReadAll(io.LimitReader(rc, maxMetadata+1))
	if err == nil && len(content) > maxMetadata {
		err = fmt.Errorf("%s is larger than %d MiB", m.Name, maxMetadata>>20)
	}
	return content, err
}

func copyMembers(ctx context.Context, out io.Writer, members []*zip.File, replaced map[string][]byte) error {
	w := zip.NewWriter(out)
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		content, ok := replaced[m.Name]
		if !ok {
			if err := w.Copy(m); err != nil {
				return err
			}
			continue
		}
		if err := replace(w, m, content); err != nil {
			return err
		}
	}
	return w.Close()
}

// replace writes content under the name, time and mode of m, with sizes known
// beforehand.
func replace(w *zip.Writer, m *zip.File, content []byte) error {
	var deflated bytes.Buffer
	fw := deflate.NewWriter(&deflated)
	if _, err := fw.Write(content); err != nil {
		return err
	}
	if err := fw.Close(); err != nil {
		return err
	}
	const dataDescriptor = 0x8
	h := m.FileHeader
	h.Method, h.Extra, h.Flags = zip.Deflate, nil, m.Flags&^dataDescriptor
	h.CRC32 = crc32.ChecksumIEEE(content)
	h.UncompressedSize64, h.CompressedSize64 = uint64(len(content)), uint64(deflated.Len())
	raw, err := w.CreateRaw(&h)
	if err != nil {
		return err
	}
	_, err = raw.Write(deflated.Bytes())
	return err
}
